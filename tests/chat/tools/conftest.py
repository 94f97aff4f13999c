"""Spotify's search on 127.0.0.1, as for the catalogue."""

from tests.catalogue.conftest import spotify  # noqa: F401 - pytest finds it here
