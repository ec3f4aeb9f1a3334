"""Pure replication: records, positions, ownership, merge; no I/O, no clock, no randomness."""
