"""Replays seeds: `python -m tests.sim --plan wild --first 1 --seeds 1000`."""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.sim.plan import PLANS
from tests.sim.play import Failure, play


def main() -> int:
    """Exit code 1 if a seed fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--plan", choices=[*PLANS, "all"], default="wild")
    parser.add_argument("--tell", action="store_true", help="print the story though all is well")
    parser.add_argument("--go-on", action="store_true", help="play the other seeds after a failure")
    options = parser.parse_args()
    failed = 0
    for name in PLANS if options.plan == "all" else [options.plan]:
        for seed in range(options.first, options.first + options.seeds):
            try:
                story = play(seed, name)
            except Failure as failure:
                failed += 1
                if options.go_on:
                    print(f"{failure.replay}: {failure.__cause__!r}")
                    continue
                print(failure)
                traceback.print_exception(failure.__cause__)
                return 1
            if options.tell:
                print("\n".join(story))
        print(f"{name}: {options.seeds} seeds played")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
