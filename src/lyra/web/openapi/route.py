"""What each route takes and gives, as data. Tests hold it against the table of routes."""

from typing import Any, Literal, NamedTuple

from lyra.chat.parts import Part
from lyra.chat.request_schema import ChatRequest, UiMessagesRequest
from lyra.web import schemas as answers
from lyra.web.api.agui import RunAgentInput
from lyra.web.api.openai_compat import CompletionRequest
from lyra.web.openapi import protocol_schemas as protocols

JSON = "application/json"
EVENTS = "text/event-stream"

# The statuses that an error can have, by what the route does before it answers.
_ANY = (400, 421, 429, 500, 503)
_TOKEN = (*_ANY, 401)
_FETCH = (*_TOKEN, 403, 429, 504)
_CHANGE = (*_TOKEN, 403)
_LOGIN = (*_ANY, 404)
_CHAT = (*_FETCH, 408, 413, 415)
_RESUMABLE = (*_CHAT, 409)
_ADMIN = (*_ANY, 404)

_QUESTION = {"message": "Which artists do I listen to most?"}
_MESSAGES = [{"id": "m1", "role": "user", "content": _QUESTION["message"]}]


class Events(NamedTuple):
    """A stream of server-sent events: the shapes of its frames, and what ends it."""

    frames: tuple[Any, ...]
    ends_with_done: bool = True


class Operation(NamedTuple):
    """One method of one path. `answers` is by media type; None there is a text of its own."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[str, Any]
    group: Literal["listener", "chat", "login", "service", "operator", "pages"]
    errors: tuple[int, ...] = _ANY
    bodies: tuple[Any, ...] = ()
    example: dict[str, Any] | None = None
    caller: Literal["listener", "operator"] | None = None  # whose bearer token it needs
    status: int = 200
    unready: Any = None  # what 503 says beside an error
    may_be_empty: bool = False  # 204 when there is nothing to answer


def _page(path: str, media: str, summary: str) -> Operation:
    name = path.strip("/").replace("/", "_").replace(".", "_") or "page"
    return Operation("GET", path, name, summary, {media: None}, "pages")


def _file(path: str, name: str, media: dict[str, Any]) -> Operation:
    summary = f"Give a file of the pages: {name.replace('_', ' ')}."
    return Operation("GET", path, name, summary, media, "pages", errors=(*_ANY, 404))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/lyra/init",
        "init",
        "Load the listener, or find what was loaded. As events: one for each Spotify call.",
        {JSON: answers.InitAnswer, EVENTS: Events((answers.InitFrame,))},
        "listener",
        errors=_FETCH,
        caller="listener",
    ),
    Operation(
        "POST",
        "/lyra/chat",
        "chat",
        "Answer one message. No init is needed first; an unknown listener is loaded on the way.",
        {EVENTS: Events((Part,)), JSON: answers.ChatAnswer},
        "chat",
        errors=_RESUMABLE,
        bodies=(ChatRequest, UiMessagesRequest),
        example=_QUESTION,
        caller="listener",
    ),
    Operation(
        "POST",
        "/lyra/chat/{run}/stop",
        "stop",
        "End a running answer, in whatever phase it is. Its stream ends with `abort`.",
        {},
        "chat",
        errors=(*_CHANGE, 404),
        caller="listener",
        status=204,
    ),
    Operation(
        "GET",
        "/lyra/chat/{run}/stream",
        "resume",
        "Give the rest of an answer after `Last-Event-ID`, else all of it.",
        {EVENTS: Events((Part,))},
        "chat",
        errors=_TOKEN,
        caller="listener",
        may_be_empty=True,
    ),
    Operation(
        "GET",
        "/lyra/status",
        "status",
        "Tell what is held for this token. Spotify is never asked.",
        {JSON: answers.StatusAnswer},
        "listener",
        errors=_TOKEN,
        caller="listener",
    ),
    Operation(
        "GET",
        "/lyra/profile",
        "profile",
        "Give the listening data for a page, loaded if need be.",
        {JSON: answers.ProfileAnswer},
        "listener",
        errors=_FETCH,
        caller="listener",
    ),
    Operation(
        "DELETE",
        "/lyra/session",
        "forget",
        "Forget everything held for this token, at once; 503 while Redis does not take it.",
        {},
        "listener",
        errors=_CHANGE,
        caller="listener",
        status=204,
    ),
    Operation(
        "POST",
        "/lyra/agui",
        "agui",
        "Answer as AG-UI events.",
        {EVENTS: Events((protocols.AguiEvent,), ends_with_done=False)},
        "chat",
        errors=_CHAT,
        bodies=(RunAgentInput,),
        example={"threadId": "t1", "runId": "r1", "messages": _MESSAGES},
        caller="listener",
    ),
    Operation(
        "POST",
        "/v1/chat/completions",
        "completions",
        "Answer as an OpenAI chat completion; in chunks where `stream` is true.",
        {
            JSON: protocols.CompletionAnswer,
            EVENTS: Events((protocols.CompletionChunk, protocols.ChunkError)),
        },
        "chat",
        errors=_CHAT,
        bodies=(CompletionRequest,),
        example={"model": "lyra", "messages": _MESSAGES},
        caller="listener",
    ),
    Operation(
        "GET",
        "/v1/models",
        "models",
        "List the one model, for OpenAI's clients.",
        {JSON: protocols.ModelList},
        "chat",
    ),
    Operation(
        "GET",
        "/v1/models/{name}",
        "model",
        "Give the one model by its name, for OpenAI's clients.",
        {JSON: protocols.ModelEntry},
        "chat",
        errors=(*_ANY, 404),
    ),
    Operation(
        "GET",
        "/auth/login",
        "login",
        "Send the browser to Spotify, to log in.",
        {},
        "login",
        errors=_LOGIN,
        status=303,
    ),
    Operation(
        "GET",
        "/auth/callback",
        "callback",
        "Take the browser back from Spotify, and send it to the page: with a session, or `?login=`.",
        {},
        "login",
        errors=_LOGIN,
        status=303,
    ),
    Operation(
        "GET",
        "/auth/session",
        "session",
        "Tell who is logged in by the cookie, and where their data would go.",
        {JSON: answers.SessionAnswer},
        "login",
    ),
    Operation(
        "POST",
        "/auth/consent",
        "consent",
        "Agree that the data named go to the model named. Nothing is read for a log-in before.",
        {},
        "login",
        errors=(*_LOGIN, 401, 403, 408, 413, 415),
        bodies=(answers.Agreement,),
        example={"model": "claude-haiku-5-5", "context": "full"},
        status=204,
    ),
    Operation(
        "POST",
        "/auth/logout",
        "logout",
        "Log out, and forget everything held of the listener.",
        {},
        "login",
        errors=(*_LOGIN, 403),
        status=204,
    ),
    Operation(
        "GET",
        "/healthz",
        "healthz",
        "Tell that the process answers.",
        {JSON: answers.Alive},
        "service",
    ),
    Operation(
        "GET",
        "/readyz",
        "readyz",
        "Tell whether new listeners are welcome, and how each dependency does.",
        {JSON: answers.Readiness},
        "service",
        unready=answers.Readiness,
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "Give everything counted and timed, as Prometheus text.",
        {"text/plain": None},
        "operator",
        errors=_ADMIN,
        caller="operator",
    ),
    Operation(
        "GET",
        "/admin/cache",
        "cache_stats",
        "Give the cache's counters and sizes.",
        {JSON: answers.CacheStatistics},
        "operator",
        errors=_ADMIN,
        caller="operator",
    ),
    Operation(
        "DELETE",
        "/admin/cache",
        "clear_cache",
        "Forget every listener.",
        {},
        "operator",
        errors=_ADMIN,
        caller="operator",
        status=204,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        "Give this description.",
        {JSON: dict[str, Any]},
        "service",
    ),
    _page("/", "text/html", "Show the listener's page: a sky of what was played, and a chat."),
    _page("/docs", "text/html", "Show the routes, with a console that streams."),
    _file("/static/{version}/{name}", "style", {"text/css": None, "text/javascript": None}),
    _file("/static/{version}/js/{name}", "script", {"text/javascript": None}),
    _file("/demo/cover/{name}.svg", "demo_cover", {"image/svg+xml": None}),
)
