"""Spotify as Lyra uses it: five reads of the Web API for one token, and the log-in.

Begin with `client.open_spotify`; `SpotifyClient.reader(token)` gives a `SpotifyReader`, whose `get`
is one read with its retries. On its way:
- `cooldown` (Retry-After), the circuit breaker (`lyra.circuit_breaker`), `retry` (back-off, budget);
- `transport`: one GET; `decipher`: from a status to a body or a failure; `failures`: all of those;
- `prewarm` (open connections), `resolver` (DNS), `endpoints` (the five paths).
`oauth` is the accounts service (Authorization Code with PKCE), `token` what a listener is read with.
"""
