"""An invented Spotify (Web API and accounts) and an invented Anthropic Messages server.

    async with Sandbox() as sandbox:
        token = sandbox_token(7, "typical", "legacy", "lat-80-400")
        ...  # GET {sandbox.api_url}/me with this bearer token

The bearer token chooses the listener and what goes wrong; the model's name chooses what goes
wrong with the model. Both languages are in docs/SANDBOX.md.
"""

from lyra.sandbox.accounts import CLIENT_ID, SCOPES
from lyra.sandbox.clock import Clock
from lyra.sandbox.plays import SANDBOX_NOW
from lyra.sandbox.server import Sandbox
from lyra.sandbox.stats import Stats
from lyra.sandbox.tokens import PERSONAS, REGIMES, sandbox_token, token_digest

__all__ = [
    "CLIENT_ID",
    "PERSONAS",
    "REGIMES",
    "SANDBOX_NOW",
    "SCOPES",
    "Clock",
    "Sandbox",
    "Stats",
    "sandbox_token",
    "token_digest",
]
