import pytest

from lyra.settings import SettingError, Settings

SECRETS = {
    "LYRA_SECRET": "a-secret-of-the-operator",
    "LYRA_ADMIN_TOKEN": "an-admin-token-000",
    "LYRA_LLM_API_KEY": "sk-ant-never-shown",
}


def test_without_a_variable_every_setting_has_its_default() -> None:
    assert Settings.from_environ({}) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environ({"LYRA_PORT": "", "LYRA_CORS_ORIGINS": ""}) == Settings()


def test_lists_are_split_at_commas() -> None:
    settings = Settings.from_environ({"LYRA_CORS_ORIGINS": "https://a.example, https://b.example,"})

    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LYRA_PORT", "65536"),
        ("LYRA_PORT", "eighty"),
        ("LYRA_CACHE_TTL_S", "0"),
        ("LYRA_CACHE_TTL_S", "-1"),
        ("LYRA_CACHE_TTL_S", "nan"),
        ("LYRA_CACHE_TTL_S", "86401"),
        ("LYRA_TOKEN_TIMEOUT_S", "inf"),
        ("LYRA_SECRET", "short"),
        ("LYRA_LLM", "gpt"),
        ("LYRA_LLM_CONTEXT", "some"),
        ("LYRA_LOG", "xml"),
        ("LYRA_SPOTIFY_API_URL", "ftp://api.example"),
        ("LYRA_LLM_BASE_URL", "https://user:password@llm.example"),
        ("LYRA_MAX_STREAMS", "0"),
        ("LYRA_PROT", "8080"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}"):
        Settings.from_environ({name: value})


def test_a_refusal_never_repeats_a_secret() -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environ({"LYRA_ADMIN_TOKEN": "tiny-secret"})

    assert "tiny-secret" not in str(refused.value)


def test_the_repr_shows_no_secret() -> None:
    shown = repr(Settings.from_environ(SECRETS))

    assert not any(value in shown for value in SECRETS.values())
    assert shown.count("***") == len(SECRETS)


def test_the_sdks_own_variables_are_read_and_lyras_win() -> None:
    theirs = {"ANTHROPIC_API_KEY": "sk-theirs", "ANTHROPIC_BASE_URL": "https://llm.example"}
    both = {**theirs, "LYRA_LLM_API_KEY": "sk-ours"}

    assert Settings.from_environ(theirs).llm_api_key == "sk-theirs"
    assert Settings.from_environ(both).llm_api_key == "sk-ours"
    assert Settings.from_environ(theirs).llm_base_url == "https://llm.example"


@pytest.mark.parametrize(
    ("environ", "uses_model"),
    [
        ({}, False),
        ({"LYRA_LLM_API_KEY": "sk-1"}, True),
        ({"LYRA_LLM_BASE_URL": "http://127.0.0.1:11434"}, True),
        ({"LYRA_LLM_API_KEY": "sk-1", "LYRA_LLM": "offline"}, False),
        ({"LYRA_LLM": "anthropic"}, True),
    ],
)
def test_a_model_is_used_when_there_is_one_and_nothing_says_offline(
    environ: dict[str, str], uses_model: bool
) -> None:
    assert Settings.from_environ(environ).uses_model is uses_model
