"""The listeners of every demo. Their tokens are no secret: the greeting and the page show them."""

from lyra.web.context import Persona

DEMO_TOKEN = "sandbox.35.typical.legacy.lat-80-400"  # noqa: S105 - invented, as docs/SANDBOX.md says

PERSONAS = (
    Persona("typical", "a typical listener", DEMO_TOKEN),
    Persona("classical", "a lover of composers", "sandbox.21.classical.legacy.lat-80-400"),
    Persona("new", "somebody new", "sandbox.3.new.legacy.lat-80-400"),
)
