"""Replay seeds: `python -m tests.sim --seeds 1000 [--first N] [--plan wild]`, `--tell` the story."""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.sim.schedule import ALL_FAULTS, QUIET, WILD, Plan, Simulation
from tests.support.disk_vfs import DiskVFS

PLANS = {"quiet": QUIET, "wild": WILD} | {name: Plan((name,)) for name in ALL_FAULTS}


def play(seed: int, plan: Plan, tell: bool) -> bool:
    """Play one seed; a failure prints its story. True if everything held."""
    with DiskVFS(f"sim-{seed}") as vfs:
        simulation = Simulation(seed, plan, vfs)
        try:
            simulation.run()
        except Exception:  # whatever went wrong, the story and the seed are what helps
            print("\n".join(simulation.story.lines))
            traceback.print_exc()
            print(f"seed {seed} failed")
            return False
        finally:
            simulation.close()
        if tell:
            print("\n".join(simulation.story.lines))
            print(dict(simulation.sink.received))
    return True


def main() -> int:
    """Exit code 1 if a seed fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--plan", choices=sorted(PLANS), default="wild")
    parser.add_argument("--tell", action="store_true")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.seeds):
        if not play(seed, PLANS[options.plan], options.tell):
            return 1
    print(f"{options.seeds} seeds passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
