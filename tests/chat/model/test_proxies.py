"""The proxies of the environment, as far as they concern the model."""

import pytest
from yarl import URL

from lyra.chat.model.proxies import find_proxy
from lyra.settings import SettingError
from tests.conftest import Start
from tests.support.calls import chat
from tests.support.scripted_model import scripted_model
from tests.support.stream_grammar import read_stream

HERE = [
    "http://127.0.0.1:11434",
    "http://127.9.9.9",
    "http://localhost:8080",
    "http://LocalHost.",
    "http://llm.localhost",
    "http://[::1]:11434",
    "http://[::ffff:127.0.0.1]",
    "https://localhost",
]
UNUSABLE = [
    "socks5h://127.0.0.1:1",
    "socks5://somebody:hush@proxy",
    "ftp://proxy",
    "http://",
    "http://[::1",
    "http://proxy:99999",
    "://",
]


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("url", HERE)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "socks5h://127.0.0.1:1"])
def test_no_proxy_stands_before_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)

    assert find_proxy(URL(url)) is None


@pytest.mark.parametrize(
    "url", ["http://128.0.0.1", "http://localhost.example", "http://mylocalhost"]
)
def test_what_only_looks_like_this_machine_has_its_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")

    assert find_proxy(URL(url)) == "http://proxy.example:3128"


@pytest.mark.parametrize("excepted", ["llm.example", ".example", "llm.example:8443", "*"])
def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excepted)

    assert find_proxy(URL("https://llm.example:8443")) is None


@pytest.mark.parametrize("proxy", UNUSABLE)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(SettingError, match=r"^ALL_PROXY: .*NO_PROXY=llm\.example") as refused:
        find_proxy(URL("https://llm.example"))

    assert "hush" not in str(refused.value)


async def test_a_model_on_this_machine_answers_whatever_proxy_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with scripted_model() as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))

    assert stream.text == "Yes."
