"""Any text in any setting is taken, or refused in one line that names the variable."""

import re
from collections.abc import Mapping

from hypothesis import example, given, strategies as st
from yarl import URL

from lyra.settings import SettingError, Settings
from lyra.web.http.client_ip import trusted_networks

ANY = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["1", "0", "1e3", "true", "tcp://1.2.3.4:5", "[::1", "[]", ",", "\udcff", "$"]),
    st.from_regex(r"(https?|rediss?)://[^ ]{0,20}", fullmatch=True),
)
SECRET = re.compile("SECRET|_TOKEN$|KEY|REDIS_URL")
NAMES = [*Settings.__struct_encode_fields__, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"]


@given(st.dictionaries(st.sampled_from(NAMES), ANY, max_size=4))
@example({"LYRA_LLM_BASE_URL": "http://[::1"})
@example({"LYRA_LLM_BASE_URL": "http://a..b"})
@example({"LYRA_PUBLIC_URL": "http://lyra.example:99999"})
@example({"LYRA_SPOTIFY_API_URL": "http://[v1.x]/"})
def test_any_text_in_any_setting_is_taken_or_refused_by_name(environ: Mapping[str, str]) -> None:
    environ = {
        name: f"hush{value}" if value and SECRET.search(name) else value
        for name, value in environ.items()
    }
    try:
        settings = Settings.from_environ(environ)
        trusted_networks(settings.trusted_proxies)  # as the start does
    except SettingError as refused:
        said = str(refused)
        assert re.match(r"LYRA_[A-Z_]+(:| is not a setting)", said)
        assert len(said.splitlines()) == 1
        assert "hush" not in said
    else:
        for url in (settings.llm_base_url, settings.spotify_api_url, settings.public_url):
            assert url is None or URL(url).host


@given(st.binary(min_size=16, max_size=48).filter(lambda raw: len(set(raw)) > 12))
def test_a_random_secret_is_taken(raw: bytes) -> None:
    assert Settings.from_environ({"LYRA_SECRET": raw.hex()}).secret == raw.hex()
