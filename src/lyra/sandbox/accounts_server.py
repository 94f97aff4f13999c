"""The invented accounts service over HTTP: the consent page, and the tokens for a code."""

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from lyra.sandbox.accounts import Accounts, GrantError, request_error
from lyra.sandbox.faults import Faults, Struck
from lyra.sandbox.stats import Stats
from lyra.sandbox.tokens import SandboxToken, sandbox_token

_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    # Pages exchange their codes themselves, from any origin.
    "Access-Control-Allow-Origin": "*",
}
_STEPS = {"authorization_code": "code", "refresh_token": "refresh"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox login</title></head>
<body style="font:16px/1.5 sans-serif;max-width:36em;margin:3em auto;padding:0 1em">
<h1>Sandbox login</h1>
<p>This is not Spotify. <b>{client}</b> asks for {scopes} on behalf of an invented listener.</p>
<form>{hidden}
<p><label>Listener, as a sandbox token:<br>
<input name="listener" value="{listener}" size="50" required></label></p>
<p><button name="auto" value="1">Agree</button>
<button name="auto" value="deny">Cancel</button></p>
</form></body></html>
"""


class AccountsServer:
    """Answers `GET /authorize` and `POST /api/token`."""

    def __init__(self, accounts: Accounts, faults: Faults, stats: Stats) -> None:
        self._accounts = accounts
        self._faults = faults
        self._stats = stats

    async def authorize(self, request: web.Request) -> web.Response:
        """Show the consent page, or send the browser back where `auto` answers it at once."""
        self._stats.count_login("authorize")
        asked = request.query
        wrong = self._accounts.client_refusal(
            asked.get("client_id", ""), asked.get("redirect_uri", "")
        )
        if wrong is not None:
            return web.Response(status=400, text=wrong)
        if (error := request_error(asked)) is not None:
            return _back(asked, error=error)
        if asked.get("auto") == "deny":
            return _back(asked, error="access_denied")
        if asked.get("auto") != "1":
            return web.Response(text=_page(asked), content_type="text/html")
        return self._consent(asked)

    def _consent(self, asked: Mapping[str, str]) -> web.Response:
        try:
            code = self._accounts.authorise(asked, asked.get("listener") or sandbox_token())
        except ValueError as wrong:
            return web.Response(status=400, text=f"listener: {wrong}")
        return _back(asked, code=code)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Answer with tokens for a code or a refresh token, or say why not."""
        fields = await request.post()
        form = {name: value for name, value in fields.items() if isinstance(value, str)}
        step = _STEPS.get(form.get("grant_type", ""))
        if step is None:
            return _refused("unsupported_grant_type", "grant_type parameter is missing or unknown")
        self._stats.count_login(step)
        listener = self._accounts.listener(form)
        struck = Struck() if listener is None else await self._faults.meet("token", listener)
        if struck.reply is not None:
            return struck.reply.response()
        try:
            tokens = self._tokens(step, form, listener)
        except GrantError as refused:
            return _refused(refused.code, str(refused))
        body = orjson.dumps(tokens)
        if struck.name:
            # The tokens are issued all the same: this is how a rotated one gets lost.
            return await self._faults.spoil(request, struck.name, body)
        return web.Response(body=body, headers=_HEADERS)

    def _tokens(
        self, step: str, form: Mapping[str, str], listener: SandboxToken | None
    ) -> dict[str, Any]:
        if step == "code":
            return self._accounts.exchange(form)
        revoked = listener is not None and self._faults.revoked(listener)
        return self._accounts.refresh(form, revoked=revoked)


def _back(asked: Mapping[str, str], **told: str) -> web.Response:
    """Send the browser back to the client, with the state that it came with."""
    if "state" in asked:
        told["state"] = asked["state"]
    uri = asked["redirect_uri"]
    location = f"{uri}{'&' if '?' in uri else '?'}{urlencode(told)}"
    return web.Response(status=302, headers={"Location": location})


def _refused(code: str, description: str) -> web.Response:
    body = orjson.dumps({"error": code, "error_description": description})
    return web.Response(status=400, body=body, headers=_HEADERS)


def _page(asked: Mapping[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in asked.items()
        if name not in ("auto", "listener")
    )
    return _PAGE.format(
        client=escape(asked["client_id"]),
        scopes=escape(asked.get("scope") or "no scopes"),
        hidden=hidden,
        listener=escape(asked.get("listener") or sandbox_token()),
    )
