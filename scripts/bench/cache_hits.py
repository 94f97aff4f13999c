"""`python -m bench.cache_hits 1000 1000000`: what a hit costs at each size, as JSON."""

import asyncio
import sys

import orjson

from bench.cache_speed import hit_by_size

if __name__ == "__main__":
    took = {size: asyncio.run(hit_by_size(int(size)))._asdict() for size in sys.argv[1:]}
    print(orjson.dumps(took).decode())
