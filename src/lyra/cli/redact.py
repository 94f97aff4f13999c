"""Redaction of what looks like a secret in a line of the log.

Lyra writes none; this is for what a library, a traceback or a future line may quote.
"""

import re

_BLACK = "[redacted]"
_SIGNS = re.compile(
    r"""(?ix)
    (?P<before>
        \b(?:Bearer|Basic)(?:\s|%20|\\t)+
      | \b(?:access_token|refresh_token|id_token|client_secret|code_verifier|api[_-]?key|password
          |x-api-key|authorization|cookie|set-cookie)
        ["']?\s*[:=,]\s*["']?(?:(?:Bearer|Basic)\s+)?
      | ://[^\s/:@]*:(?=[^\s/@]+@)
    )
    [^\s"',;&)}\]@]+
    | \bsk-[A-Za-z0-9_-]{8,}
    """
)


class Redactor:
    """Redacts bearer tokens, keys, and these known secrets."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, line: str) -> str:
        """Return the line without secrets."""
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, _BLACK)
        return _SIGNS.sub(lambda match: (match["before"] or "") + _BLACK, line)
