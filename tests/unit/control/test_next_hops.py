"""Next hops and pauses in the metrics."""

from __future__ import annotations

from pathlib import Path

from appliance.control.metrics import exposition
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from tests.support.control import Failover, Mail, Reader, Tls
from tests.support.routes import Delivery


async def test_metrics_of_next_hops(tmp_path: Path) -> None:
    mail, delivery = Mail(), Delivery()
    observer = Observer(
        Identity("a", "a.site.test", "1", (), True),
        tmp_path,
        tmp_path / "processes.json",
        Reader(),
        mail,
        Moves(Failover(), mail, tmp_path / "maintenance"),
        Tls(),
        delivery,
        lambda: {"example.org": b"what no release understands"},
    )
    try:
        text = exposition(await observer.status())[0].decode()
        for line in (
            "twinpost_next_hop_transactions_total 10.0",
            "twinpost_connection_cache_hits_total 7.0",
            'twinpost_next_hop_connections{next_hop="192.0.2.25:25",state="busy"} 2.0',
            'twinpost_next_hop_connections{next_hop="192.0.2.25:25",state="idle"} 1.0',
            'twinpost_next_hop_up{next_hop="192.0.2.25:25"} 0.0',
            "twinpost_paused 1.0",
        ):
            assert line in text.splitlines()
        delivery.up = False
        text = exposition(await observer.status())[0].decode()
        assert "twinpost_next_hop" not in text
    finally:
        observer.close()
