"""Metrics, the history and the sink agree on a counted load; no secret is in any of them."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from appliance.control.client import Client
from appliance.link.identity import KeyStore
from tests.bench.load import Load
from tests.pair.harness import HTTP, Cluster, Node, Settings, until
from tests.pair.traffic import Flow, Flows, NextHop

_CANARY = "canary-Ohsae5ee"
_NODE = f'\n[alerts]\ncommand = ["/bin/true", "--token={_CANARY}"]\n'


def scraped(node: Node) -> str:
    with urllib.request.urlopen(f"http://{node.address}:{HTTP}/metrics", timeout=30) as answer:
        return str(answer.read(), "ascii")


def figures(text: str) -> dict[str, float]:
    """Samples without labels, and those of next hops summed up."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if "le" not in one.labels:
                found[one.name] = found.get(one.name, 0.0) + one.value
    return found


async def _known(look: Callable[[], Awaitable[float | None]]) -> bool:
    return await look() is not None


async def test_all_count_the_same(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address, node=_NODE)) as cluster,
    ):
        client = Client(cluster.a.layout.control_socket)

        async def counted() -> float | None:
            """Messages in the history: a rate for each ten seconds."""
            view = await asyncio.to_thread(client.figures, ["mail.accepted"], "3m", 18)
            known = [one for one in view.curves[0].mean if one is not None]
            return 10 * sum(known) if known else None

        await until(lambda: _known(counted), "the history has begun")
        flow = Flow(Load(to=cluster.a.smtp, run="counted", connections=4, size=2048))
        async with Flows(flow):
            await flow.accepts(300)
        sent = len(flow.accepted)

        async def delivered() -> dict[str, float] | None:
            found = figures(await asyncio.to_thread(scraped, cluster.a))
            return found if found["twinpost_delivered_recipients_total"] >= sent else None

        told = await until(delivered, "everything is delivered, and told")
        assert told["twinpost_accepted_messages_total"] == sent
        assert told["twinpost_delivered_recipients_total"] == sent == hop.sink.seen.total()
        assert told["twinpost_commit_seconds_count"] == sent
        assert told["twinpost_queue_wait_seconds_count"] == sent
        assert told["twinpost_next_hop_attempt_seconds_count"] == sent
        assert told["twinpost_next_hop_transactions_total"] == sent
        assert told["twinpost_queue_recipients"] == 0
        assert told["twinpost_smtp_connections_admitted_total"] == 4
        assert told["twinpost_bounced_recipients_total"] == 0
        assert (
            figures(await asyncio.to_thread(scraped, cluster.b))["twinpost_accepted_messages_total"]
            == 0
        )

        async def all_there() -> bool:
            # Samples come a little early or late.
            return abs((await counted() or 0.0) - sent) < sent * 0.1

        await until(all_there, "the history has it")

        async def all_probed() -> bool:
            told = await asyncio.to_thread(scraped, cluster.a)
            good = 'twinpost_probes_total{{result="good",target="{}"}}'
            return all(good.format(target) in told for target in ("own", "peer", "service"))

        await until(all_probed, "each of the three was probed")
        probed = await asyncio.to_thread(scraped, cluster.a)
        log = (cluster.a.data / "log" / "mail.log").read_text()
        assert log.count('"smtp_connected"') == 4, "probes are not worth a line"
        key = KeyStore(cluster.a.layout.keys).identity().key.pem()
        alerts = await asyncio.to_thread(client.alerts)
        for secret in (_CANARY, key):
            assert secret not in probed
            assert secret not in repr(alerts)
