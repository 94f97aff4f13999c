"""The acceptance scenarios that concern one part alone: the store, the keys, the settings."""

import pytest

from lyra.cache.keys import KeyMaker
from lyra.settings import SettingError, Settings
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, Clock, make_store


async def test_row23_an_entry_used_since_has_a_second_chance() -> None:
    store = make_store(Clock(), entries=3)
    for key in "abc":
        await store.set(key, b"1")
    await store.get("a")
    await store.set("d", b"1")

    assert [key for key, _ in store.items()] == ["c", "a", "d"]
    assert store.evictions["entries"] == 1


async def test_row24_bytes_are_bounded_and_a_giant_evicts_nobody() -> None:
    store = make_store(Clock(), weight=100)
    for key, size in (("a", 60), ("b", 60), ("giant", 101)):
        await store.set(key, b"x" * size)

    assert [key for key, _ in store.items()] == ["b"]
    assert (store.evictions["bytes"], store.evictions["too_big"]) == (1, 1)


def test_row26_keys_depend_on_the_secret_and_on_every_letter() -> None:
    other_case = Token(ANNA.reveal().upper())
    here, elsewhere, another = KeyMaker("s" * 16), KeyMaker("s" * 16), KeyMaker("t" * 16)

    assert here.key(ANNA) == elsewhere.key(ANNA)
    assert len({here.key(ANNA), here.key(other_case), another.key(ANNA)}) == 3


def test_row27_redis_without_a_secret_stops_the_start() -> None:
    with pytest.raises(SettingError, match=r"^LYRA_SECRET: LYRA_REDIS_URL needs it"):
        Settings.from_environ({"LYRA_REDIS_URL": "redis://127.0.0.1"})


@pytest.mark.parametrize("value", ["0", "-1", "-0.0", "nan", "inf", "86401"])
def test_row31_a_ttl_of_never_or_for_ever_stops_the_start(value: str) -> None:
    with pytest.raises(SettingError, match=r"^LYRA_CACHE_TTL_S"):
        Settings.from_environ({"LYRA_CACHE_TTL_S": value})
