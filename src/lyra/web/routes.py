"""The one table of routes: what handles each, and how /openapi.json describes it.

Begin here to find a handler, and add a route here: nothing else names them all.
"""

from functools import cache
from typing import Any

from aiohttp.typedefs import Handler

from lyra.chat.parts import Part
from lyra.chat.request_schema import ChatRequest, UiMessagesRequest
from lyra.web import schemas as answers
from lyra.web.api import (
    admin,
    agui,
    chat,
    health,
    listener,
    login,
    openai_compat,
    playlists,
)
from lyra.web.openapi import protocol_schemas as protocols
from lyra.web.openapi.document import api_description
from lyra.web.openapi.route import ANY, EVENTS, JSON, Events, Route
from lyra.web.pages import handlers as pages

# The statuses that an error can have, by what the route does before it answers.
_TOKEN = (*ANY, 401)
_FETCH = (*_TOKEN, 403, 429, 504)
_CHANGE = (*_TOKEN, 403)
_LOGIN = (*ANY, 404)
_CHAT = (*_FETCH, 408, 413, 415)
_RESUMABLE = (*_CHAT, 409)
_ADMIN = (*ANY, 404)

_QUESTION = {"message": "Which artists do I listen to most?"}
_MESSAGES = [{"id": "m1", "role": "user", "content": _QUESTION["message"]}]


def _page(path: str, handler: Handler, media: str, summary: str) -> Route:
    return Route("GET", path, handler, summary, {media: None}, "pages")


def _file(path: str, handler: Handler, media: dict[str, Any]) -> Route:
    summary = f"Give a file of the pages: {handler.__name__.replace('_', ' ')}."
    return Route("GET", path, handler, summary, media, "pages", errors=(*ANY, 404))


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/lyra/init",
        listener.init,
        "Load the listener, or find what was loaded. As events: one for each Spotify call.",
        {JSON: answers.InitAnswer, EVENTS: Events((answers.InitFrame,))},
        "listener",
        errors=_FETCH,
        caller="listener",
    ),
    Route(
        "POST",
        "/lyra/chat",
        chat.chat,
        "Answer one message. No init is needed first; an unknown listener is loaded on the way.",
        {EVENTS: Events((Part,)), JSON: answers.ChatAnswer},
        "chat",
        errors=_RESUMABLE,
        bodies=(ChatRequest, UiMessagesRequest),
        example=_QUESTION,
        caller="listener",
    ),
    Route(
        "POST",
        "/lyra/chat/{run}/stop",
        chat.stop,
        "End a running answer, in whatever phase it is. Its stream ends with `abort`.",
        {},
        "chat",
        errors=(*_CHANGE, 404),
        caller="listener",
        status=204,
    ),
    Route(
        "GET",
        "/lyra/chat/{run}/stream",
        chat.resume,
        "Give the rest of an answer after `Last-Event-ID`, else all of it.",
        {EVENTS: Events((Part,))},
        "chat",
        errors=_TOKEN,
        caller="listener",
        may_be_empty=True,
        allow_head=False,
    ),
    Route(
        "GET",
        "/lyra/status",
        listener.status,
        "Tell what is held for this token. Spotify is never asked.",
        {JSON: answers.StatusAnswer},
        "listener",
        errors=_TOKEN,
        caller="listener",
    ),
    Route(
        "GET",
        "/lyra/profile",
        listener.profile,
        "Give the listening data for a page, loaded if need be.",
        {JSON: answers.ProfileAnswer},
        "listener",
        errors=_FETCH,
        caller="listener",
    ),
    Route(
        "DELETE",
        "/lyra/session",
        listener.forget,
        "Forget everything held for this token, at once; 503 while Redis does not take it.",
        {},
        "listener",
        errors=_CHANGE,
        caller="listener",
        status=204,
    ),
    Route(
        "GET",
        "/lyra/playlists/{playlist}",
        playlists.show_playlist,
        "Show a playlist that was proposed to this listener. It can be saved for half an hour.",
        {JSON: answers.ProposalAnswer},
        "playlists",
        errors=(*_FETCH, 404),
        caller="listener",
    ),
    Route(
        "POST",
        "/lyra/playlists/{playlist}",
        playlists.save_playlist,
        "Save a proposed playlist at Spotify, as it is or as the body says. A repeat makes no second.",
        {JSON: answers.SavedAnswer},
        "playlists",
        errors=(*_CHAT, 404),
        bodies=(playlists.SaveRequest,),
        example={"name": "Slow Tides"},
        caller="listener",
        status=201,
    ),
    Route(
        "DELETE",
        "/lyra/playlists/{playlist}",
        playlists.dismiss_playlist,
        "Dismiss a proposed playlist. What is saved already stays at Spotify.",
        {},
        "playlists",
        errors=(*_FETCH, 404),
        caller="listener",
        status=204,
    ),
    Route(
        "POST",
        "/lyra/agui",
        agui.agui,
        "Answer as AG-UI events.",
        {EVENTS: Events((protocols.AguiEvent,), ends_with_done=False)},
        "chat",
        errors=_CHAT,
        bodies=(agui.RunAgentInput,),
        example={"threadId": "t1", "runId": "r1", "messages": _MESSAGES},
        caller="listener",
    ),
    Route(
        "POST",
        "/v1/chat/completions",
        openai_compat.completions,
        "Answer as an OpenAI chat completion; in chunks where `stream` is true.",
        {
            JSON: protocols.CompletionAnswer,
            EVENTS: Events((protocols.CompletionChunk, protocols.ChunkError)),
        },
        "chat",
        errors=_CHAT,
        bodies=(openai_compat.CompletionRequest,),
        example={"model": "lyra", "messages": _MESSAGES},
        caller="listener",
    ),
    Route(
        "GET",
        "/v1/models",
        openai_compat.models,
        "List the one model, for OpenAI's clients.",
        {JSON: protocols.ModelList},
        "chat",
    ),
    Route(
        "GET",
        "/v1/models/{name}",
        openai_compat.model,
        "Give the one model by its name, for OpenAI's clients.",
        {JSON: protocols.ModelEntry},
        "chat",
        errors=(*ANY, 404),
    ),
    Route(
        "GET",
        "/auth/login",
        login.login,
        "Send the browser to Spotify, to log in; with `for`, to let playlists be saved, too.",
        {},
        "login",
        errors=_LOGIN,
        status=303,
    ),
    Route(
        "GET",
        "/auth/callback",
        login.callback,
        "Take the browser back from Spotify, and send it to the page: with a session, `?login=`, or both.",
        {},
        "login",
        errors=_LOGIN,
        status=303,
    ),
    Route(
        "GET",
        "/auth/session",
        login.session,
        "Tell who is logged in by the cookie, and where their data would go.",
        {JSON: answers.SessionAnswer},
        "login",
    ),
    Route(
        "POST",
        "/auth/consent",
        login.consent,
        "Agree that the data named go to the model named. Nothing is read for a log-in before.",
        {},
        "login",
        errors=(*_LOGIN, 401, 403, 408, 413, 415),
        bodies=(answers.Agreement,),
        example={"model": "claude-haiku-5-5", "context": "full"},
        status=204,
    ),
    Route(
        "POST",
        "/auth/logout",
        login.logout,
        "Log out, and forget everything held of the listener.",
        {},
        "login",
        errors=(*_LOGIN, 403),
        status=204,
    ),
    Route(
        "GET",
        "/healthz",
        health.healthz,
        "Tell that the process answers.",
        {JSON: answers.Alive},
        "service",
    ),
    Route(
        "GET",
        "/readyz",
        health.readyz,
        "Tell whether new listeners are welcome, and how each dependency does.",
        {JSON: answers.Readiness},
        "service",
        unready=answers.Readiness,
    ),
    Route(
        "GET",
        "/metrics",
        admin.metrics,
        "Give everything counted and timed, as Prometheus text.",
        {"text/plain": None},
        "operator",
        errors=_ADMIN,
        caller="operator",
    ),
    Route(
        "GET",
        "/admin/cache",
        admin.cache_stats,
        "Give the cache's counters and sizes.",
        {JSON: answers.CacheStatistics},
        "operator",
        errors=_ADMIN,
        caller="operator",
    ),
    Route(
        "DELETE",
        "/admin/cache",
        admin.clear_cache,
        "Forget every listener.",
        {},
        "operator",
        errors=_ADMIN,
        caller="operator",
        status=204,
    ),
    Route(
        "GET",
        "/openapi.json",
        pages.openapi,
        "Give this description.",
        {JSON: dict[str, Any]},
        "service",
    ),
    _page(
        "/",
        pages.page,
        "text/html",
        "Show the listener's page: a sky of what was played, and a chat.",
    ),
    _page("/docs", pages.docs, "text/html", "Show the routes, with a console that streams."),
    _file("/static/{version}/{name}", pages.style, {"text/css": None, "text/javascript": None}),
    _file("/static/{version}/js/{name}", pages.script, {"text/javascript": None}),
    _file("/demo/cover/{name}.svg", pages.demo_cover, {"image/svg+xml": None}),
)


@cache
def describe_routes(public_path: str = "") -> bytes:
    """Return the OpenAPI document of all routes as JSON, made once for all services of the process."""
    return api_description(ROUTES, public_path)
