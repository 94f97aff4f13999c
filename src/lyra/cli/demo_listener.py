"""The listener of every demo: its token is no secret, so that curl lines and pages can show it."""

DEMO_TOKEN = "sandbox.7.typical.legacy.lat-80-400"  # noqa: S105 - invented, as docs/SANDBOX.md says
