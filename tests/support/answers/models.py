"""The sandbox's models that answer the questions: a good one, and hostile ones."""

from collections.abc import Mapping

GOOD = "looks up and tells what it found"
MODELS: Mapping[str, str] = {
    GOOD: "sandbox-model",
    "invents songs, and claims to have looked them up": "fault:toolinvent",
    "ignores the tools": "fault:toolignore",
    "calls without end": "fault:toolendless",
    "obeys an order in a name": "fault:toolobey",
    "calls a tool that there is not": "fault:toolunknown",
    "calls with what is no JSON": "fault:toolbadjson",
    "makes twenty calls at once": "fault:tooltwenty",
    "proposes tracks that nothing has found": "fault:toolproposeinvented",
    "proposes every track twice": "fault:toolproposetwice",
    "claims to have saved a playlist": "fault:toolproposeclaim",
}
