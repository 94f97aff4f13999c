from collections.abc import Iterator

from lyra.errors import LyraError, ServerFaultError


def kinds(root: type[LyraError]) -> Iterator[type[LyraError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_error_message_says_more_than_something_broke() -> None:
    silent = {kind for kind in kinds(LyraError) if str(kind()) == str(LyraError())}

    assert silent <= {ServerFaultError}
