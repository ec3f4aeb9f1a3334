"""A node that was away while mail flowed, and two nodes that could not hear each other."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from appliance.control.schema import Status
from tests.bench.load import Load
from tests.pair.cable import Cable
from tests.pair.harness import Cluster, Node, Settings, addresses
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, mail_of, modes, no_bad_signs, same_on_disk

_MESSAGES = int(os.environ.get("OUTAGE_MESSAGES", "3000"))
"""How many the peer misses; OUTAGE_MESSAGES=60000 is about a minute of all a pair can do."""


def _later_epoch(epoch: int, status: Status) -> bool:
    return mail_of(status).epoch > epoch


def _flow(node: Node, connections: int = 4) -> Flow:
    return Flow(Load(to=node.smtp, run=node.name, connections=connections, size=2048))


async def test_a_node_that_was_away_catches_up_while_mail_flows(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        a, b = _flow(cluster.a, 20), _flow(cluster.b)
        async with Flows(a, b) as flows:
            await b.accepts(50)
            cluster.b.kill()
            alone = await cluster.a.is_("solo")
            await a.accepts(_MESSAGES, patience=600.0)
            alone = await cluster.a.sees(lambda s: mail_of(s).exposed > 0, "exposed mail")
            assert alone.alarms[0].name == "solo"
            cluster.b.start()
            await cluster.paired(patience=300.0)
            await b.accepts(50)
        await all_delivered(flows, hop, patience=300.0)
        view = await at_rest(cluster)
        assert view.duplicates <= hop.repeated <= view.duplicates + view.doubts
        assert modes(cluster.a)[-3:] == ["solo", "catching up", "paired"]
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)


@pytest.mark.parametrize("next_hop_away", [False, True], ids=["new mail", "and a backlog"])
async def test_a_split_heals(next_hop_away: bool, tmp_path: Path) -> None:
    """Each node accepts, adopts the other's mail and delivers; then they hear each other again.

    With a backlog that could not go out before, both nodes deliver all of it: repeated, counted.
    """
    *nodes, between = addresses(3)
    async with (
        NextHop("127.0.0.1") as hop,
        Cable(between, *nodes) as cable,
        Cluster(tmp_path, Settings(hop=hop.address, addresses=nodes, peers=cable.peers)) as cluster,
    ):
        a, b = _flow(cluster.a), _flow(cluster.b)
        if next_hop_away:
            hop.down()
        async with Flows(a, b) as flows:
            await a.accepts(100)
            await b.accepts(100)
            before = [mail_of(await node.is_("paired")).epoch for node in cluster.nodes]
            cable.cut()
            for node, epoch in zip(cluster.nodes, before, strict=True):
                await node.is_("solo")
                await node.sees(partial(_later_epoch, epoch), "adopted")
            await a.accepts(100)
            await b.accepts(100)
            if next_hop_away:
                await hop.up()
                await all_delivered(flows, hop)
            cable.mend()
            await cluster.paired()
        await all_delivered(flows, hop)
        view = await at_rest(cluster)
        assert view.duplicates <= hop.repeated <= view.duplicates + view.doubts
        assert not next_hop_away or view.duplicates > 0
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)
