"""One module a process: wiring only."""
