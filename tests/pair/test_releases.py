"""A release that knows a kind of record more, and migrates the spool, beside the one of now.

The exchange is done as an update does it (bundle/update.py), but for the machine round it.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import apsw
import pytest

from bundle import swap
from tests.bench.load import Load
from tests.install.later import NOTES, apply
from tests.pair.disks import copied
from tests.pair.harness import Cluster, Node, Settings
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, no_bad_signs, same_on_disk

_CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release to come."""
    folder = tmp_path_factory.mktemp("later")
    shutil.copytree(
        _CHECKOUT / "appliance", folder / "appliance", ignore=shutil.ignore_patterns("__pycache__")
    )
    apply(folder, NOTES)
    return folder


async def exchange(node: Node, checkout: Path | None) -> None:
    """Stop it, migrate a copy, start it on trial, and keep the release once it is paired."""
    await node.stop()
    node.checkout = checkout
    said = await command(node, "update", "migrate")
    swap.forth([Path(one) for one in said.splitlines()], lambda step: None)
    await on_trial(node)


async def go_back(node: Node) -> None:
    """Back to the release of now, with the data that it had."""
    await node.stop()
    node.checkout = None
    swap.back([node.layout.spool / "spool.db"], lambda step: None)
    await on_trial(node)


async def on_trial(node: Node) -> None:
    node.layout.trial.touch()
    node.start()
    await node.ready()
    await node.is_("paired")
    node.layout.trial.unlink()


async def command(node: Node, *words: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        node.command(*words),
        env=node.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(node: Node, folder: Path, table: str) -> list[tuple[object, ...]]:
    """A table of its spool."""
    db = apsw.Connection(str(copied(node, folder)))
    try:
        return list(db.execute(f"SELECT * FROM {table}"))
    finally:
        db.close()


async def test_releases_roll_forth_and_back_and_forth_under_load(
    later: Path, tmp_path: Path
) -> None:
    async with NextHop("127.0.0.1") as hop, Cluster(tmp_path, Settings(hop=hop.address)) as pair:
        a, b = (
            Flow(Load(to=node.smtp, run=node.name, connections=3, size=2048)) for node in pair.nodes
        )
        async with Flows(a, b) as flows:
            await b.accepts(20)
            await exchange(pair.b, later)
            await b.accepts(20)  # the nodes go on together
            assert rows(pair.b, tmp_path / "copy", "note") == []  # for a could not read it
            await exchange(pair.a, later)
            await a.accepts(20)
            await go_back(pair.b)
            await a.accepts(20)
            await b.accepts(20)
            carried = len(rows(pair.b, tmp_path / "copy", "carried"))
            assert carried >= 20
            await exchange(pair.b, later)
            await b.accepts(20)
        await all_delivered(flows, hop)
        await at_rest(pair)
        for node in pair.nodes:
            no_bad_signs(node)
            await node.stop()
        same_on_disk(pair, tmp_path / "disks")
        notes = [rows(node, tmp_path / "copy", "note") for node in pair.nodes]
        assert len(notes[0]) == len(notes[1])
        assert len(notes[0]) > carried
