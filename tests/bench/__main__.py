"""`make bench`: the pair beside Postfix, in turns, on the same cores and the same disk.

What is compared are the two trials of a round, one after the other; the ratio is the median of
the rounds'. On a machine that does other things, too, the ratio by CPU a message tells more.

Rows that Postfix has nothing like stand beside the pair without what they measure.

Accept only: delivery held, so that nothing but accepting and replicating is measured. End to end:
the clock stops when the next hop has everything that got 250. A pair that was not paired
throughout, or that cannot show every message on both disks after kill -9, ends the run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.bench import postfix, report
from tests.bench.disk import describe
from tests.bench.pair import Pair
from tests.bench.trial import Invalid, Maker, Measured, Scenario, run

SINK = "127.0.0.41"
SCENARIOS = (
    Scenario(name="accept only, many a connection", deliver=False, target=3),
    Scenario(name="accept only, one a connection", deliver=False, per_connection=1, target=2),
    Scenario(
        name="accept only, many a connection, search on",
        deliver=False,
        search=True,
        beside=Scenario(name="the same, search off", deliver=False),
        target=0.95,
    ),
    Scenario(name="accept only, TLS, many a connection", deliver=False, tls=True, target=2),
    Scenario(
        name="accept only, TLS, one a connection",
        deliver=False,
        tls=True,
        per_connection=1,
        target=1,
    ),
    Scenario(
        name="accept only, many a connection, full policy",
        deliver=False,
        policy="full",
        beside=Scenario(name="the same, policy off", deliver=False, policy="off"),
        target=0.9,
    ),
    Scenario(
        name="accept only, one a connection, full policy",
        deliver=False,
        policy="full",
        per_connection=1,
        beside=Scenario(name="the same, policy off", deliver=False, policy="off", per_connection=1),
        target=0.9,
    ),
    Scenario(
        name="accept only, 10,000 wrong passwords",
        deliver=False,
        guesses=10_000,
        beside=Scenario(name="the same, nobody guesses", deliver=False),
        target=0.9,
    ),
    Scenario(name="end to end, many a connection", deliver=True, target=2),
    Scenario(
        name="end to end, many a connection, search on",
        deliver=True,
        search=True,
        beside=Scenario(name="the same, search off", deliver=True),
        target=0.95,
    ),
    Scenario(name="end to end, one a connection", deliver=True, per_connection=1),
    Scenario(name="end to end, 1 connection", deliver=True, connections=1),
    Scenario(name="end to end, 200 connections", deliver=True, connections=200),
    Scenario(name="end to end, 100 KiB", deliver=True, size=100 << 10),
    Scenario(name="end to end, 5 MiB", deliver=True, size=5 << 20),
    Scenario(
        name="end to end, 100,000 deferred queued",
        deliver=True,
        backlog=100_000,
        compared=False,
    ),
)


def main() -> int:
    """Run the scenarios; 1 if a target was missed, 2 if a trial proves nothing."""
    options = _options()
    makers: dict[str, Maker] = {report.OURS: Pair}
    missing = postfix.absent()
    if missing:
        print(f"Without Postfix: {missing}.")
    else:
        makers[report.POSTFIX] = postfix.Postfix
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {describe(options.folder)}")
    rows: list[report.Row] = []
    try:
        for scenario in SCENARIOS:
            if options.only in scenario.name:
                changed = msgspec.structs.replace(scenario, seconds=options.seconds)
                rows.append(_row(changed, makers, options.rounds, options.folder))
    except Invalid as error:
        print(f"This run proves nothing: {error}", file=sys.stderr)
        return 2
    print()
    print("\n".join(report.lines(rows)))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    return 1 if any(row.missed for row in rows) else 0


def _row(scenario: Scenario, makers: dict[str, Maker], rounds: int, parent: Path) -> report.Row:
    systems = list(makers) if scenario.compared else [report.OURS]
    if scenario.beside is not None:
        systems = [report.OURS, report.BESIDE]
    measured: dict[str, list[Measured]] = {system: [] for system in systems}
    for number in range(rounds if scenario.target else 1):
        # The first of a round has the cooler disk: they take turns at that, too.
        for system in systems if number % 2 == 0 else reversed(systems):
            done, maker = scenario, makers.get(system, Pair)
            if system == report.BESIDE:
                assert scenario.beside is not None
                done = msgspec.structs.replace(scenario.beside, seconds=scenario.seconds)
            with tempfile.TemporaryDirectory(prefix="twinpost-bench-", dir=parent) as folder:
                Path(folder).chmod(0o755)  # Postfix's processes are not root
                one = run(maker, done, Path(folder), SINK)
            measured[system].append(one)
            print(report.progress(done, system, one), flush=True)
    return report.Row(scenario, measured)


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the scenarios with a target")
    parser.add_argument("--seconds", type=float, default=8.0, help="of load in each trial")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose name has TEXT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),
        help="on the disk to measure (/var/tmp; /tmp is often no disk)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
