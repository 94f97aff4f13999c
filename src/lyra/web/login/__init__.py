"""Log-in with Spotify: OAuth, sessions, consent and log-out. The handlers are `api.login`.

login_service   begins and finishes log-ins, records consents, ends sessions: begin here
outcomes        how a log-in may end, and what the page says of it
session_store   what is kept of a log-in, in a `lyra.secret_store`
token_renewal   new tokens for a session: a single flight among all processes
open_logins     builds the service from the settings

Invariant of all: once a session has ended, nothing reads Spotify with its token.
"""
