"""What `tools/bench` is made of: runs, traces and accounts of them, tables."""
