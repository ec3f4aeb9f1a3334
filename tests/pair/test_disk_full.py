"""A disk that fills up: 452 for new mail, accepted mail safe and delivered, all well with room.

The spools are small file systems in memory, which only root may mount.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.load import Load
from tests.pair.harness import Cluster, Node, Settings, until
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, mail_of, no_bad_signs, same_on_disk

_SMALL, _LARGE, _RESERVE = "160m", "1g", "64MiB"
_FULL = "452 4.3.1"


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "twinpost-test", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _may_mount(folder: Path) -> bool:
    if os.geteuid() != 0 or not _mount(folder, "size=1m"):
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


@contextmanager
def _small_disks(folder: Path, full: str) -> Iterator[dict[str, Path]]:
    """A spool folder for each node; that of node `full` is small."""
    spools = {name: folder / f"disk-{name}" for name in "ab"}
    mounted = []
    try:
        for name, spool in spools.items():
            spool.mkdir()
            assert _mount(spool, f"size={_SMALL if name == full else _LARGE}")
            mounted.append(spool)
        yield spools
    finally:
        for spool in mounted:
            subprocess.run(["umount", "--lazy", str(spool)], check=True)


async def _refused(flow: Flow) -> None:
    async def full() -> bool:
        return any(error.startswith(_FULL) for error in flow.errors)

    await until(full, f"452 from {flow.load.run}")


async def _held(node: Node) -> int:
    status = await node.status()
    return status.queue.held if status and status.queue else 0


@pytest.mark.parametrize("full", ["a", "b"], ids=["own disk", "peer's disk"])
async def test_a_full_disk_loses_nothing(full: str, tmp_path: Path) -> None:
    """Mail to node a fills the disk of node `full` to the reserve and, the peer's, beyond."""
    if not _may_mount(tmp_path):
        pytest.skip("mounting a small file system needs root and mount(8)")
    async with NextHop("127.0.0.1") as hop:
        with _small_disks(tmp_path, full) as spools:
            settings = Settings(hop=hop.address, spools=spools, reserve=_RESERVE)
            async with Cluster(tmp_path, settings) as cluster:
                filler = await (_fill_own if full == "a" else _fill_peer)(cluster, hop)
                assert _mount(spools[full], f"remount,size={_LARGE}")
                await _all_is_well(cluster, hop, filler)
                same_on_disk(cluster, tmp_path)


def _filler(node: Node) -> Flow:
    return Flow(
        Load(to=node.smtp, run="fill", size=100 << 10, connections=4, recipient="x@held.test")
    )


async def _fill_own(cluster: Cluster, hop: NextHop) -> Flow:
    """New mail gets 452; what was accepted before goes out, though the disk stays full."""
    mail = Flow(Load(to=cluster.a.smtp, run="mail", connections=2, size=2048))
    hop.down()
    async with Flows(mail) as flows:
        await mail.accepts(50)
    filler = _filler(cluster.a)
    async with Flows(filler):
        await _refused(filler)
    await hop.up()
    await all_delivered(flows, hop)
    status = await cluster.a.is_("paired")
    assert not mail_of(status).accepting
    assert "not_accepting" in {alarm.name for alarm in status.alarms}
    for node in cluster.nodes:
        no_bad_signs(node)
    return filler


async def _fill_peer(cluster: Cluster, hop: NextHop) -> Flow:
    """A node whose disk takes nothing any more leaves its peer alone, and takes no mail."""
    filler = _filler(cluster.a)
    async with Flows(filler):
        await cluster.a.is_("solo")
        mail = Flow(Load(to=cluster.a.smtp, run="mail", connections=2, size=2048))
        async with Flows(mail) as flows:
            await mail.accepts(50)
    await all_delivered(flows, hop)
    return filler


async def _all_is_well(cluster: Cluster, hop: NextHop, filler: Flow) -> None:
    """With room again everything goes on by itself, and everything is there."""
    await cluster.paired()
    for node in cluster.nodes:
        await node.sees(lambda s: mail_of(s).accepting, "accepts again")
    more = Flow(Load(to=cluster.a.smtp, run="more", connections=2, size=2048))
    async with Flows(more) as flows:
        await more.accepts(50)
    await all_delivered(flows, hop)
    await at_rest(cluster)
    for node in cluster.nodes:
        assert await _held(node) >= len(filler.accepted)
