"""The parts of scripts/bench_faults.py: servers, a light client, a file for each subject."""
