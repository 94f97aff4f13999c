"""One listener's data: fetched, parsed, trimmed, and made into views. No HTTP, no cache.

Begin with `fetch.fetch_listening`, which makes five reads at once and returns a `models.Listening`.
- In: `raw_models` (Spotify's shapes), `decode` (tolerant JSON), `parse` (a page), `mapping` (an item
  to what is kept), `sanitize` (names made safe);
- when sections fail: `failure_policy` (partial answer or error), `scopes` (what to say);
- out: `genres`, `insights`, `summary`, `context` (for the model), `views` (for the API).
"""
