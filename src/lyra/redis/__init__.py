"""What the processes of one service share through Redis; without it, each goes on alone.

Begin with `gateway.open_redis`; all calls go through its `RedisGateway`, which never raises.
- Stores: `listener_store` (the cache's second tier), `run_store` (answers that can be resumed),
  `shared_table` (log-ins, playlist proposals), `counters` (the token quota).
- Agreement: `lease` (one process fetches), `epoch` (forget all at once), `listener_deletes`,
  `pending_deletes` and `shared_tombstones` (a forget is never undone), `scripts` (Lua).
- Messages: `invalidation`, the pub/sub bus.
- Below: `client` (the one module that knows redis-py), `breaker` (circuit breaker), `refusals`,
  `protocol`, `keyspace`, `url`, `sealing` (encryption).
"""
