"""Lyra beside yardsticks, in one run: how fast it is, and what it does when things go wrong.

    make bench ONLY=warm,tokens        or: PYTHONPATH=scripts .venv/bin/python -m bench --list

Begin with `subjects.py`, the list of what is measured. A subject is a function in `rows/` that gets a
`Harness` (`harness.py`: processes on free ports, each on its core) and returns findings (`report.py`).
Load comes from `client.py` and `closed_loop.py`; what a subject is compared with is a server in
`servers/` or `peers/`, or a figure of `yardsticks.py`. Aims are ratios to a yardstick of the same run
wherever the machine has a say, so that they mean the same on one half as fast.
"""
