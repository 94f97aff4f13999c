"""The OpenAPI 3.1 document, made of the table of routes and the types that read their requests."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import orjson

from lyra import __version__
from lyra.chat.parts import Part
from lyra.spotify.oauth import FURTHER_SCOPES
from lyra.web.gateway.time_zone import HEADER
from lyra.web.openapi.route import JSON, Events, Route
from lyra.web.schemas import (
    AbortMetadata,
    Card,
    ErrorAnswer,
    ErrorDetail,
    Facts,
    FinishMetadata,
    ShownProposal,
    StartMetadata,
    StatusData,
    error_kinds,
)

_ABOUT = (
    "A chat assistant that already knows what you listen to. Send a Spotify access token as "
    "`Authorization: Bearer <token>`; `POST /lyra/chat` streams the answer as the AI SDK UI "
    "message stream, version 1. Every answer carries `X-Request-Id`."
)
_RETRY_STATUSES = (429, 503, 504)
_UNAUTHORIZED, _NO_CONTENT, _UNREADY = 401, 204, 503

# Members of parts that are plain objects in the code, and what they hold.
_REFINED: dict[tuple[str, str], Any] = {
    ("Start", "messageMetadata"): StartMetadata,
    ("Finish", "messageMetadata"): FinishMetadata,
    ("MessageMetadata", "messageMetadata"): AbortMetadata,
    ("Status", "data"): StatusData,
    ("FailureData", "data"): ErrorDetail,
    ("TrackCard", "data"): Card,
    ("PlaylistPart", "data"): ShownProposal,
    ("Because", "data"): Facts,
}


def api_description(routes: Sequence[Route], public_path: str = "") -> bytes:
    """Return the document of these routes as JSON."""
    schemas = _Schemas(routes)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Lyra",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": public_path or "/"}],
        "paths": _describe_paths(routes, schemas),
        "components": {
            "schemas": schemas.components,
            "responses": {
                f"Error{status}": _describe_error(status) for status in _codes_by_status()
            },
            "headers": _HEADERS,
            "securitySchemes": {
                "listener": _describe_bearer("The listener's Spotify access token."),
                "operator": _describe_bearer("The operator's LYRA_ADMIN_TOKEN."),
            },
        },
    }
    return orjson.dumps(document)


class _Schemas:
    """The schemas of all types that these routes name."""

    def __init__(self, routes: Sequence[Route]) -> None:
        types = list(dict.fromkeys(_collect_types(routes)))
        schemas, self.components = msgspec.json.schema_components(
            types, ref_template="#/components/schemas/{name}"
        )
        self._by_type = dict(zip(types, schemas, strict=True))
        for (struct, member), kind in _REFINED.items():
            self.components[struct]["properties"][member] = self._by_type[kind]
        parts = [self._by_type[part] for part in Part.__subclasses__()]
        self.components["StreamPart"] = {
            "description": "One frame of the stream that `POST /lyra/chat` answers with.",
            "anyOf": parts,
        }

    def schema_of(self, *types: Any) -> dict[str, Any]:
        """Return the schema of a value that is of one of these types."""
        schemas = [self._schema(kind) for kind in types]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _schema(self, kind: Any) -> dict[str, Any]:
        if kind is Part:
            return {"$ref": "#/components/schemas/StreamPart"}
        schema: dict[str, Any] = self._by_type[kind]
        return schema


def _collect_types(routes: Sequence[Route]) -> Iterator[Any]:
    yield ErrorAnswer
    yield from _REFINED.values()
    yield from Part.__subclasses__()
    for route in routes:
        yield from route.bodies
        for answer in (*route.answers.values(), route.unready):
            kinds = answer.frames if isinstance(answer, Events) else (answer,)
            yield from (kind for kind in kinds if kind not in (None, Part))


def _describe_paths(routes: Sequence[Route], schemas: _Schemas) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe_route(route, schemas)
    return paths


def _describe_route(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.group],
        "responses": _describe_responses(route, schemas),
    }
    if route.caller is not None:
        operation["security"] = [{route.caller: []}]
    parameters = [_PARAMETERS[name] for name in _PARAMETERS if name in route.path]
    if route.path in _TELLS_HOURS:
        parameters.append(_TIMEZONE)
    if route.path == "/auth/login":
        parameters.append(_PURPOSE)
    if parameters:
        operation["parameters"] = parameters
    if route.bodies:
        content = {"schema": schemas.schema_of(*route.bodies), "example": route.example}
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def _describe_responses(route: Route, schemas: _Schemas) -> dict[str, Any]:
    content = {media: _describe_content(answer, schemas) for media, answer in route.answers.items()}
    done: dict[str, Any] = {
        "description": "Done." if route.status == _NO_CONTENT else "The answer.",
        "headers": _header_refs("X-Request-Id"),
    }
    if content:
        done["content"] = content
    responses = {str(route.status): done}
    for status in sorted(route.errors):
        responses[str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    if route.may_be_empty:
        responses[str(_NO_CONTENT)] = {
            "description": "There is nothing to send.",
            "headers": _header_refs("X-Request-Id"),
        }
    if route.unready is not None:
        responses[str(_UNREADY)] = {
            **_describe_error(_UNREADY),
            "content": {JSON: {"schema": schemas.schema_of(route.unready, ErrorAnswer)}},
        }
    return responses


def _describe_content(answer: Any, schemas: _Schemas) -> dict[str, Any]:
    if answer is None:
        return {"schema": {"type": "string"}}
    if not isinstance(answer, Events):
        return {"schema": schemas.schema_of(answer)}
    last = " The last frame is `data: [DONE]`." if answer.ends_with_done else ""
    about = f"Frames `data: <one line of JSON>`; comments fill silence.{last}"
    # OpenAPI 3.1 has no word for the frames of a stream; 3.2 calls this itemSchema. No type for the
    # whole: some tools hold it against the text, others against each event.
    return {
        "schema": {"description": about},
        "x-item-schema": schemas.schema_of(*answer.frames),
    }


def _codes_by_status() -> dict[int, list[str]]:
    codes: dict[int, list[str]] = {}
    for code, kind in sorted(error_kinds().items()):
        codes.setdefault(kind.status, []).append(code)
    return dict(sorted(codes.items()))


def _describe_error(status: int) -> dict[str, Any]:
    codes = ", ".join(f"`{code}`" for code in _codes_by_status()[status])
    headers = ["X-Request-Id"]
    headers += ["Retry-After"] * (status in _RETRY_STATUSES)
    headers += ["WWW-Authenticate"] * (status == _UNAUTHORIZED)
    return {
        "description": f"Error: {codes}.",
        "headers": _header_refs(*headers),
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
    }


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_PARAMETERS: dict[str, Any] = {
    "{run}": {
        "name": "run",
        "in": "path",
        "required": True,
        "description": "The answer's id (`messageId`), or the `id` of the chat: its newest answer.",
        "schema": {"type": "string"},
    },
    "{playlist}": {
        "name": "playlist",
        "in": "path",
        "required": True,
        "description": "The proposal's id, as `data-playlist` gives it.",
        "schema": {"type": "string"},
    },
    "{version}": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "The hash of all files, as the pages name it.",
        "schema": {"type": "string"},
    },
    "{name}": {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    },
    "/stream": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last frame that was received: `<run>.<number>`.",
        "schema": {"type": "string"},
    },
}

_TELLS_HOURS = (
    "/lyra/init",
    "/lyra/profile",
    "/lyra/chat",
    "/lyra/agui",
    "/v1/chat/completions",
)
_TIMEZONE = {
    "name": HEADER,
    "in": "header",
    "description": (
        "The listener's time zone, an IANA name such as Europe/Berlin: times are told by its clock. "
        "Passed over where it is unknown; all times are then UTC, and say so."
    ),
    "schema": {"type": "string"},
}

_PURPOSE = {
    "name": "for",
    "in": "query",
    "description": (
        "What further scopes are asked for: to save playlists, also those that are on the profile. "
        "Passed over where it is unknown."
    ),
    "schema": {"enum": [*FURTHER_SCOPES]},
}

_HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "Names this request in the log; the caller's own where it sent one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Retry-After": {
        "description": "Whole seconds, where they are known.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}},
}


def _describe_bearer(about: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": about}
