"""The cache of listeners: which are held, for how long, and how a missing one is fetched once.

Begin with `listeners.ListenerCache.lookup`; it returns a `lookup.Lookup`. Behind it:
- `memory_tier`, on `store` (bounded, CLOCK eviction): entries, negative cache, back-off;
- `redis_tier`: what the processes share, sealed;
- `loader`: brings a listener in, from the other processes or from Spotify;
- `detail_loader`, `held_details`: what is asked for beyond that, kept with the entry;
- `singleflight`: one fetch per key (request coalescing), fenced by a clear;
- `expiry`: the policy (TTL, refresh-ahead, stale-while-revalidate, stale-if-error);
- `entry`, `keys`, `locks`, `fetch_rate`: what is kept, under which key, and how often it is read.
"""
