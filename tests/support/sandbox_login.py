"""An app that logs listeners in at the sandbox's accounts service, over a socket."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from lyra.sandbox import CLIENT_ID, Sandbox
from lyra.sandbox.accounts import challenge
from tests.sandbox.conftest import Answer, SpotifyCaller

VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:8080/callback"
ALL = "user-top-read user-read-recently-played playlist-read-private"


class Client:
    """An app that logs listeners in, as the OAuth rules tell it to."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.spotify = SpotifyCaller(sandbox, session)

    async def authorize(self, **changes: str | None) -> aiohttp.ClientResponse:
        asked: dict[str, str | None] = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": ALL,
            "state": "abc123",
            "code_challenge_method": "S256",
            "code_challenge": challenge(VERIFIER),
            "auto": "1",
            **changes,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        url = f"{self.sandbox.accounts_url}/authorize"
        async with self.session.get(url, params=query, allow_redirects=False) as answer:
            await answer.read()
        return answer

    async def code(self, **changes: str | None) -> str:
        return returned(await self.authorize(**changes))["code"]

    async def token(self, **form: str) -> Answer:
        url = f"{self.sandbox.accounts_url}/api/token"
        async with self.session.post(url, data={"client_id": CLIENT_ID, **form}) as answer:
            lower = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, lower, await answer.read())

    async def exchange(self, code: str, **changes: str) -> Answer:
        form = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changes}
        return await self.token(grant_type="authorization_code", **form)

    async def log_in(self, listener: str | None = None, scope: str = ALL) -> dict[str, Any]:
        answer = await self.exchange(await self.code(listener=listener, scope=scope))
        assert answer.status == 200
        tokens: dict[str, Any] = answer.json
        return tokens

    async def refresh(self, token: str, **changes: str) -> Answer:
        return await self.token(grant_type="refresh_token", refresh_token=token, **changes)


def returned(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """What came back in the query of the redirect."""
    assert answer.status == 302
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == REDIRECT
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def refusal(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.json["error"], answer.json["error_description"]
