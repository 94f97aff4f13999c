"""Runs: the answers of all processes, as logs that a producer fills and readers follow.

Begin with `run`: a `Run` is one answer with exactly one ending; its `Producer` fills it in a task.

- `event_log`: what a local and a remote run have in common: lines, readers and subscribers.
- `registry`: admits, starts, finds, stops and forgets runs, and owns their tasks; with `run_table`
  (the index by key and owner) and `retention` (ended runs, kept for readers who come back).
- `supervisor`: ends the runs whose producer does not end by itself.
- `replication`: copies runs to Redis and finds those of other processes, which `remote_run` polls.
"""
