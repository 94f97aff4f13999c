import pytest

from lyra.settings import SettingError, Settings, cluster_warning

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
def test_a_model_is_used_where_it_is_set_and_not_offline(
    environ: dict[str, str], uses_model: bool
) -> None:
    assert Settings.from_environ(environ).uses_model is uses_model


KUBERNETES = {
    "LYRA_SERVICE_HOST": "10.43.12.7",
    "LYRA_SERVICE_PORT": "8080",
    "LYRA_SERVICE_PORT_HTTP": "8080",
    "LYRA_PORT": "tcp://10.43.12.7:8080",
    "LYRA_PORT_8080_TCP": "tcp://10.43.12.7:8080",
    "LYRA_PORT_8080_TCP_PROTO": "tcp",
    "LYRA_PORT_8080_TCP_PORT": "8080",
    "LYRA_PORT_8080_TCP_ADDR": "10.43.12.7",
}


@pytest.mark.parametrize("service", ["LYRA", "LYRA_ADMIN", "LYRA_WEB_2"])
def test_the_variables_of_a_kubernetes_service_are_passed_over(service: str) -> None:
    """Also of a Service whose variables look like settings: lyra-admin has LYRA_ADMIN_PORT."""
    made = {name.replace("LYRA", service, 1): value for name, value in KUBERNETES.items()}

    assert Settings.from_environ(made) == Settings()
    assert "enableServiceLinks: false" in cluster_warning(made)


def test_a_port_that_is_a_number_is_still_the_setting() -> None:
    told = {**KUBERNETES, "LYRA_PORT": "8081", "LYRA_ADMIN_PORT": "9100"}
    settings = Settings.from_environ(told)

    assert (settings.port, settings.admin_port) == (8081, 9100)


@pytest.mark.parametrize("name", ["LYRA_SERVICE", "LYRA_PORTS", "LYRA_PORT_TCP", "LYRA_HOST_PORT"])
def test_what_kubernetes_would_not_write_is_still_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} is not a setting of Lyra"):
        Settings.from_environ({name: "8080"})


def test_a_name_that_is_nearly_one_is_answered_with_that_one() -> None:
    with pytest.raises(SettingError, match="Is LYRA_ALLOWED_HOSTS meant"):
        Settings.from_environ({"LYRA_ALLOWED_HOST": "lyra.example"})


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\u00a0"])
def test_white_space_around_a_value_is_no_part_of_it(around: str) -> None:
    given = {**SECRETS, "LYRA_PORT": "1", "LYRA_LLM": "offline", "LYRA_HOST": "::1"}
    padded = {name: f"{around}{value}{around}" for name, value in given.items()}

    assert Settings.from_environ(padded) == Settings.from_environ(given)


@pytest.mark.parametrize("name", [*SECRETS, "LYRA_REDIS_URL"])
@pytest.mark.parametrize("middle", ["\n", "\r", "\0", "ä", "\u200b", "\ufeff", "\udc80", "\x7f"])
def test_a_secret_with_what_no_header_carries_is_refused_by_name(name: str, middle: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: it holds .* Set it again") as refused:
        Settings.from_environ({name: f"sk-0123456789{middle}abcdefghij"})

    assert "0123456789" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "weak",
    [
        "a" * 16,
        "ab" * 20,
        "abcdefghijklmnop",
        "0123456789abcdef",
        "passwordpassword",
        "1234567812345678",
        "qqqqqqqqqqqqqqqwertz",
    ],
)
@pytest.mark.parametrize("name", ["LYRA_SECRET", "LYRA_ADMIN_TOKEN"])
def test_a_guessable_secret_is_refused_with_a_way_to_make_one(name: str, weak: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: .*token_urlsafe") as refused:
        Settings.from_environ({name: weak})

    assert weak not in str(refused.value)


def test_an_ipv6_host_may_have_its_brackets() -> None:
    assert Settings.from_environ({"LYRA_HOST": "[::1]"}) == Settings(host="::1")


def test_a_list_of_nothing_is_not_set() -> None:
    given = {"LYRA_ALLOWED_HOSTS": " , ,", "LYRA_CORS_ORIGINS": ","}

    assert Settings.from_environ(given) == Settings()


@pytest.mark.parametrize("value", ["1_000", "٣", "+5", "0x10", "1e309", "9" * 400, "NaN", "-0.5"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match=r"^LYRA_MAX_STREAMS: "):
        Settings.from_environ({"LYRA_MAX_STREAMS": value})


def test_the_level_of_the_log_is_read_in_any_case() -> None:
    assert Settings.from_environ({"LYRA_LOG_LEVEL": "WARNING"}).log_level == "warning"
