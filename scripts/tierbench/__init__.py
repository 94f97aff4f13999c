"""The parts of scripts/bench_tier.py: a Redis, two services, five cases."""
