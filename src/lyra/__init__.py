"""Lyra: a chat assistant that already knows what you listen to.

From top to bottom, each package imports only those below it:

    cli        the command `lyra`; `cli/commands.py` has one function for each way of serving
    app.py     `create_app`: every part of the service, made once and closed in reverse; begin here
    sandbox    an invented Spotify and an invented model, for demos and tests
    web        HTTP: routes, handlers, formats of answers, limits, log-in
    agent      the same listeners from Python, without HTTP
    chat       runs: an answer while it is generated, with its prompt, model and events
    playlists  playlists that are proposed, confirmed and saved
    catalogue  Spotify's catalogue: searched, matched, and held against what is known
    cache      the listeners in memory and in Redis: single flight, refreshing, expiry
    listening  what a listener plays: fetched, parsed, summed up
    spotify    the client of Spotify's API; `redis` is the client of Redis

`secret_store.py` keeps values behind secret ids: sessions, and playlists that were proposed.
`settings.py`, `errors.py`, `metrics.py`, `tracing.py` and `circuit_breaker.py` serve all of them.
"""

__version__ = "0.1.0"
