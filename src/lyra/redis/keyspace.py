"""The names of Lyra's keys in Redis, and of its channel.

Every name holds the schema's version, so that another version's values are not seen. A key's
names share its {hash tag}, so that a script over them works in a cluster. They also hold the
epoch: see `lyra.redis.epoch`.
"""

import re
from dataclasses import dataclass, replace

EPOCH = "lyra:v2:epoch"
LOOK = "lyra:v2:look"
_WORD = re.compile(rb"[0-9a-f]{16}")
_KEY = re.compile(r"[0-9a-f]{16,128}")


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The names under which one key's things are kept during one epoch."""

    epoch: str
    key: str
    part: str = ""

    def of(self, part: str) -> "RedisKeys":
        """Return the names of a part, which has a lease of its own."""
        return replace(self, part=part)

    @property
    def entry(self) -> str:
        return f"lyra:v2:e:{self.epoch}:{{{self.key}}}"

    @property
    def details(self) -> str:
        return f"lyra:v2:d:{self.epoch}:{{{self.key}}}"

    @property
    def generation(self) -> str:
        return f"lyra:v2:g:{self.epoch}:{{{self.key}}}"

    @property
    def lease(self) -> str:
        return f"lyra:v2:l:{self.epoch}:{{{self.key}}}{self.part}"


def channel(db: int) -> str:
    """Return the channel of one database: Redis itself does not keep channels apart by database."""
    return f"lyra:v2:notices:{db}"


def check_key(key: str) -> str:
    """Return the key if it is a hash in hexadecimal digits; anything else might be a token.

    Raises:
        ValueError: it is none.
    """
    if not _KEY.fullmatch(key):
        raise ValueError("not a cache key: 16 to 128 hexadecimal digits are")
    return key


def parse_word(reply: object) -> str | None:
    """Return the reply as one of Lyra's random words; None if it is not one."""
    return reply.decode() if isinstance(reply, bytes) and _WORD.fullmatch(reply) else None
