"""Before the model's client is there: alive, not ready, and nobody is turned away."""

from aiohttp.test_utils import TestClient, TestServer

from lyra.app import create_app
from lyra.chat.model.port import LazyModel
from lyra.settings import Settings
from lyra.web.context import SERVICES


async def test_it_is_alive_before_and_ready_after_the_models_client() -> None:
    """Nobody waits for the model here, so its making has not begun."""
    settings = Settings(llm_base_url="http://127.0.0.1:9", allowed_hosts=("127.0.0.1",))
    app = create_app(settings, early=True)
    async with TestClient(TestServer(app)) as http:
        model = app[SERVICES].generator.model
        alive, early = await http.get("/healthz"), await http.get("/readyz")
        state = (await early.json())["dependencies"]["model"]
        assert isinstance(model, LazyModel)
        await model.wait_loaded()
        ready = await http.get("/readyz")

    assert (alive.status, early.status, ready.status) == (200, 503, 200)
    assert state["state"] == "starting"
