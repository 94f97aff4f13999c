"""A Redis URL is understood in full, or refused without being repeated."""

import pytest

from lyra.agent.facade import open_lyra
from lyra.redis.url import Address, parse_address, tls_context
from lyra.settings import SettingError, Settings

CANARY = "c4n4ry-pass"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address("redis", host="cache")),
        ("redis://[::1]:7000/3", Address("redis", host="::1", port=7000, db=3)),
        ("redis://cache/?db=4", Address("redis", host="cache", db=4)),
        (
            "redis://lyra:p%40ss%2Fword@cache:6380",
            Address("redis", host="cache", port=6380, username="lyra", password="p@ss/word"),
        ),
        ("redis://:only@cache", Address("redis", host="cache", password="only")),
        (
            "rediss://cache?ssl_ca_certs=/etc/ca.pem",
            Address("rediss", host="cache", tls={"ssl_ca_certs": "/etc/ca.pem"}),
        ),
        (
            "unix://lyra:secret@/run/redis.sock?db=2",
            Address("unix", path="/run/redis.sock", db=2, username="lyra", password="secret"),
        ),
    ],
)
def test_a_url_names_an_address(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("", "does not begin with redis://"),
        (f"lyra:{CANARY}@cache", "does not begin with redis://"),
        (f"http://:{CANARY}@cache", "does not begin with redis://"),
        (f"redis://:{CANARY}/1@cache:6379", "no valid host and port"),
        (f"redis://:{CANARY}@cache:port", "no valid host and port"),
        (f"redis://:{CANARY}@cache:70000", "no valid host and port"),
        (f"redis://:{CANARY}@", "no host"),
        (f"redis://lyra:1?{CANARY}@cache", "an option"),
        (f"redis://lyra:1#{CANARY}@cache", "after #"),
        (f"redis://:{CANARY}@cache/zero", "not a number"),
        (f"redis://:{CANARY}@cache?db=-1", "not a number"),
        (f"redis://:{CANARY}@cache?socket_timeout=60", "an option"),
        ("redis://cache?ssl_ca_certs=/etc/ca.pem", "an option"),
        (f"unix://:{CANARY}@", "no socket path"),
        ("unix://run/redis.sock", "no socket path"),
    ],
)
def test_a_wrong_url_is_refused_without_being_repeated(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        parse_address(url)

    assert CANARY not in str(refused.value)


def test_an_address_does_not_show_its_password() -> None:
    address = parse_address(f"redis://{CANARY}-user:{CANARY}@cache")

    assert CANARY not in repr(address)
    assert CANARY not in str(address)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (f"ssl_ca_certs=/{CANARY}", "ssl_ca_certs cannot be used"),
        (f"ssl_ca_certs={__file__}", "ssl_ca_certs cannot be used"),
        (f"ssl_certfile=/{CANARY}", "ssl_certfile or ssl_keyfile cannot be used"),
        (f"ssl_certfile={__file__}&ssl_keyfile={__file__}", "ssl_certfile or ssl_keyfile"),
        (f"ssl_keyfile={__file__}", "ssl_keyfile without ssl_certfile"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_its_option(options: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        tls_context(parse_address(f"rediss://cache?{options}"))

    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_an_invalid_file_or_url_stops_the_start_by_name() -> None:
    for url in ("cache:6379", f"rediss://cache?ssl_ca_certs=/{CANARY}"):
        with pytest.raises(SettingError, match=r"^LYRA_REDIS_URL: the .*[^.]\.$") as refused:
            async with open_lyra(Settings(redis_url=url, secret="s" * 16)):
                pass

        assert CANARY not in str(refused.value)
