"""How much of it is done: the short form of `make test`, or the full one of `make test-net`."""

from __future__ import annotations

import os

FULL = os.environ.get("NETNS") == "full"
ROUNDS = 3 if FULL else 1
SPLITS = 50 if FULL else 5
SPLITS_A_PAIR = 5
LOSS_SECONDS = 30.0 if FULL else 4.0
LOAD_SECONDS = float(os.environ.get("LOAD_SECONDS", "600"))
SHORT = ("link down", "kill -9 node", "kill -9 failover", "SIGSTOP 5 s", "switchover")
"""The faults of the short form."""
SEED = os.environ.get("SPLIT_SEED")
