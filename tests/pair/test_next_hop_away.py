"""A next hop that is away and comes back."""

from __future__ import annotations

from pathlib import Path

from tests.bench.load import Load
from tests.pair.harness import Cluster, Settings, until
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, no_bad_signs


async def test_mail_waits_for_a_next_hop_and_goes_out_when_it_is_back(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        log = cluster.a.data / "log" / "delivery.log"

        async def rested() -> bool:
            return log.read_bytes().count(b'"hop_down"') >= 4

        hop.down()
        flow = Flow(Load(to=cluster.a.smtp, run="mail", connections=2, size=2048))
        async with Flows(flow) as flows:
            await flow.accepts(50)
        await until(rested, "four failures in a row")
        await hop.up()
        await all_delivered(flows, hop)
        await at_rest(cluster)
        assert hop.repeated == 0
        for node in cluster.nodes:
            no_bad_signs(node)
