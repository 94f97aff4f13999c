"""The benchmark: `make bench`. Rows measure, servers are measured, peers stand beside."""
