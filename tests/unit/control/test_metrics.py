"""What /metrics says: a golden exposition, as Prometheus wants it, with bounded labels."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from appliance.control.metrics import exposition
from appliance.control.metrics_delivery import MOST
from appliance.ipc.failover import FailoverView
from appliance.mail.histogram import BOUNDS, Histogram, quantile, summed
from appliance.mail.views import HistogramView, PolicyView, QueueCounts, ReceptionView
from appliance.monitor.availability import Probed, availability
from appliance.monitor.snapshot import PauseView, Snapshot
from tests.support import golden
from tests.support.control import FAILOVER, MAIL, ROUTER
from tests.support.monitor import DELIVERY_UP, snapshot
from tests.support.routes import DELIVERY, HOP
from tests.unit.monitor.alerts.test_rules import JOB

GOLDEN = Path(__file__).parent / "golden" / "metrics.txt"
EVIL = 'x"\n\\ \x1b[2J\u202e{}=,' + "y" * 300


def took(*seconds: float) -> HistogramView:
    histogram = Histogram()
    for one in seconds:
        histogram.note(one)
    return histogram.view()


def full() -> Snapshot:
    """A node of which everything is known, and that has seen something of everything."""
    failover: FailoverView = replace(
        FAILOVER, routers=(replace(ROUTER, transitions={"Active": 2, "Backup": 3}),)
    )
    return snapshot(
        mail=replace(
            MAIL,
            accepted=8,
            delivered=7,
            deferred=4,
            bounced=2,
            expired=1,
            reception=ReceptionView(
                admitted=9, refused=1, faults=2, tls={"TLSv1.3": 5}, tls_failed=1
            ),
            commit=took(0.002, 0.004, 0.004, 70_000.0),
            policy=PolicyView(refused={"helo": 3}),
        ),
        queue=QueueCounts(queued=1, deferred=2),
        oldest=61_000,
        ages=(1, 2, 0, 0, 0, 3),
        failover=failover,
        delivery=replace(
            DELIVERY,
            hops=(replace(HOP, took=took(0.01, 0.2)),),
            tls={"TLSv1.2": 2},
            tls_failed=3,
            waited=took(0.5),
            took=took(0.01, 0.2),
        ),
        paused=(PauseView(what="x.test", reason="", by="me", at=0),),
        clock_offset=-1500,
        jobs=(JOB,),
        probed={"service": Probed(good=99, bad=1), "own": Probed(good=100)},
        availability=(availability("service", 30, 0.9995, 259_200),),
    )


def text(seen: Snapshot) -> str:
    return exposition(seen)[0].decode()


def test_the_exposition_is_as_it_was() -> None:
    golden.check(GOLDEN, text(full()))


def test_prometheus_is_content() -> None:
    """promtool's own check where it is installed, and what it looks at in any case."""
    told = text(full())
    for family in text_string_to_metric_families(told):
        assert family.name.startswith("twinpost_")
        assert family.documentation
        if family.type == "counter":
            assert all(one.name.endswith(("_total", "_created")) for one in family.samples)
        else:
            assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert re.fullmatch(r"[a-z_]+", family.name), "promtool: no camelCase"
    promtool = shutil.which("promtool")
    if promtool is not None:
        done = subprocess.run(
            [promtool, "check", "metrics"], input=told, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_no_series_is_told_twice() -> None:
    hops = tuple(replace(HOP, name=EVIL + str(number), transactions=number) for number in range(5))
    seen = snapshot(
        delivery=replace(DELIVERY, hops=hops),
        failover=replace(FAILOVER, rejected={EVIL: 1, EVIL + "z": 2}),
    )
    seen_before: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for family in text_string_to_metric_families(text(seen)):
        for one in family.samples:
            key = one.name, tuple(sorted(one.labels.items()))
            assert key not in seen_before
            seen_before.add(key)


def test_hostile_names_are_visible_and_short() -> None:
    seen = snapshot(
        mail=replace(MAIL, policy=PolicyView(refused={EVIL: 1})),
        delivery=replace(DELIVERY, hops=(replace(HOP, name=EVIL),)),
    )
    told = text(seen)
    assert "\x1b" not in told
    assert "\u202e" not in told
    for family in text_string_to_metric_families(told):
        for one in family.samples:
            assert all(len(value) <= 100 for value in one.labels.values())


def test_next_hops_are_bounded_and_nothing_of_them_is_lost() -> None:
    hops = tuple(
        replace(HOP, name=f"mx{number}.test:25", transactions=number, took=took(0.1))
        for number in range(1000)
    )
    names = defaultdict(set)
    sums: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(
        text(snapshot(delivery=replace(DELIVERY_UP, hops=hops)))
    ):
        for one in family.samples:
            if "next_hop" in one.labels:
                names[family.name].add(one.labels["next_hop"])
                sums[one.name] += one.value
    assert {len(found) for found in names.values()} == {MOST + 1}
    assert all("other" in found and "mx999.test:25" in found for found in names.values())
    assert sums["twinpost_next_hop_attempt_seconds_count"] == 1000
    assert sums["twinpost_next_hop_connections"] == 1000 * HOP.connections


def test_a_node_of_which_little_is_known_tells_that() -> None:
    little = snapshot(
        mail=None, queue=None, oldest=None, ages=None, failover=None, tls=None, delivery=None,
        search=None, machine=None, usage={}, processes=(),
    )  # fmt: skip
    told = text(little)
    assert 'twinpost_mode{mode="down"} 1.0' in told
    assert 'twinpost_alarm{alarm="mail_down",severity="critical"} 1.0' in told
    assert "twinpost_disk_free_bytes" in told
    assert "twinpost_accepted_messages" not in told


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    documented = set(re.findall(r"^\| `(twinpost_\w+)`", page, re.MULTILINE))
    told = {family.name for family in text_string_to_metric_families(text(full()))}
    assert documented == told


def test_buckets() -> None:
    view = took(0.001, 0.0011, 43_200.0, 43_201.0)
    assert (view.counts[0], view.counts[1], view.counts[-2], view.counts[-1]) == (1, 1, 1, 1)
    assert summed([view, view, HistogramView()]).counts == tuple(2 * one for one in view.counts)
    assert quantile(view.counts, 0.5) == 0.0025
    assert quantile(view.counts, 1.0) == BOUNDS[-1]
    assert quantile((), 0.5) is None
