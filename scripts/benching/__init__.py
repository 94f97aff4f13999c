"""The parts of scripts/bench.py: servers, a reader, five subjects, tables."""
