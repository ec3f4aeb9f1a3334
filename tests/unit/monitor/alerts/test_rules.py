"""Each degraded state has its alert, and a node that is as it should be has none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from appliance.ipc.failover import ForeignView
from appliance.monitor.alerts.rule import DAY, HOUR, Rule, Severity
from appliance.monitor.alerts.table import MOST, RULES, holding, look
from appliance.monitor.availability import Probed, availability
from appliance.monitor.jobs import JobView, Outcome, RunView
from appliance.monitor.snapshot import Disk, Machine, PauseView, Process, Snapshot
from tests.support.control import CERTIFICATE, FAILOVER, MAIL, PATH, PEER, ROUTER, TLS
from tests.support.monitor import DELIVERY_UP, SEARCH, snapshot
from tests.support.routes import DELIVERY, HOP

BACKUP = replace(ROUTER, state="Backup", held=False, peer_active=True)

RUN = RunView(
    job="backup", at=0, took=1, outcome=Outcome.FAILED, text="no stick", hint="put it in", by=""
)
JOB = JobView(
    name="optimise",
    what="",
    every=1,
    off="",
    running=False,
    waiting=False,
    next_in=1,
    next_at=1,
    last=RUN,
    failures=1,
)


def names(seen: Snapshot) -> list[str]:
    return [rule.name for rule, _ in holding(look(seen))]


def mail(**changes: Any) -> dict[str, Any]:
    return {"mail": replace(MAIL, **changes)}


def failover(**changes: Any) -> dict[str, Any]:
    return {"failover": replace(FAILOVER, **changes)}


def tls(**changes: Any) -> dict[str, Any]:
    return {"tls": replace(TLS, **changes)}


CASES: list[tuple[str, dict[str, Any]]] = [
    ("solo", mail(mode="solo")),
    ("split", mail(mode="split")),
    ("catching_up", mail(mode="catching up")),
    ("not_paired", {"paired": False} | mail(mode="solo", peer=None)),
    ("backlog_waits", mail(synced=False)),
    ("link_down", mail(peer=replace(PEER, connected=False))),
    ("peer_behind", mail(peer=replace(PEER, lag=9, lag_ms=10_001))),
    ("clock_offset", {"clock_offset": -5_001}),
    ("releases_differ", {"release": "1.2.3", "peer_release": "1.2.4"}),
    ("unapplied", mail(unapplied=2)),
    ("site_branched", mail(site_branches=1)),
    ("site_not_applied", mail(site_problem="route * leads back here")),
    ("failover_down", {"failover": None}),
    ("both_active", failover(routers=(replace(ROUTER, peer_active=True),))),
    ("not_served", failover(routers=(replace(BACKUP, peer_active=False),))),
    ("priority_lowered", failover(routers=(replace(BACKUP, priority=0, why="no carrier"),))),
    ("path_down", failover(paths=(PATH, replace(PATH, alive=False)))),
    (
        "address_conflict",
        failover(foreign=(ForeignView(address="x", hardware="02:00", ago=1),)),
    ),
    ("addresses_differ", {"peer_routers": {"1": ("127.0.0.9",)}}),
    ("maintenance", failover(maintenance=True, routers=(replace(BACKUP, priority=0),))),
    ("not_accepting", mail(accepting=False, reason="disk full")),
    ("no_delivery", mail(delivery_connected=False)),
    ("next_hop_down", {"delivery": DELIVERY}),
    ("queue_old", {"oldest": 4 * HOUR + 1}),
    ("not_greeted", {"probed": {"service": Probed(good=5, bad=1, failing=1)}}),
    ("availability_missed", {"availability": (availability("service", 30, 0.998, 259_200),)}),
    ("pause_forgotten", {"paused": (PauseView(what="x.test", reason="", by="me", at=0),)}),
    ("mail_down", {"mail": None}),
    (
        "process_down",
        {"processes": (Process(name="search", state="down", pid=None, restarts=3),)},
    ),
    ("process_restarting", {"restarts": {"delivery": 3}}),
    ("disk_low", {"disk": Disk(free=4, total=100)}),
    ("memory_low", {"machine": Machine(1000, 49, 0, 0)}),
    ("clock_implausible", tls(clock="it shows 1970-01-01")),
    ("no_certificate", tls(certificate=None)),
    ("certificate_ends", tls(certificate=replace(CERTIFICATE, days_left=29))),
    ("authority_ends", tls(authority=replace(CERTIFICATE, days_left=300))),
    ("tls_unusable", tls(problems=("certificate: no certificate in PEM",))),
    ("index_behind", {"search": replace(SEARCH, waiting=5, lag=60_001)}),
    ("job_failed", {"jobs": (JOB,)}),
    ("backup_old", {"jobs": (replace(JOB, name="backup", failures=0, last=None),)}),
    ("index_damaged", {"search": replace(SEARCH, damaged=1)}),
]


def test_a_healthy_node_has_no_alert() -> None:
    assert names(snapshot()) == []
    assert names(snapshot(failover=replace(FAILOVER, routers=(BACKUP,)))) == []


@pytest.mark.parametrize("name, changes", CASES, ids=[name for name, _ in CASES])
def test_each_degraded_state_has_one(name: str, changes: dict[str, Any]) -> None:
    assert names(snapshot(**changes)) == [name]


def test_mail_on_one_node_only_for_long_is_told_beside_the_mode() -> None:
    assert names(snapshot(**mail(mode="solo", exposed=3))) == ["solo", "exposed"]
    assert names(snapshot(**mail(mode="paired", exposed=3))) == [], "under way, as always"


def test_virtual_routers_of_both_nodes() -> None:
    assert not holding(look(snapshot(peer_routers={"1": ("127.0.0.10",)})))
    found = holding(look(snapshot(peer_routers={"\x1b[2J": ("\x1b[2J",)})))
    assert [one.text for _, one in found] == [
        r"Virtual router \x… has no address on this node, \x1b[2J on the other one.",
        "Virtual router 1 has 127.0.0.10 on this node, no address on the other one.",
    ]


def test_every_rule_is_tried() -> None:
    assert {rule.name for rule in RULES} == {name for name, _ in CASES} | {"exposed"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_what_it_is_about_and_what_to_do(rule: Rule) -> None:
    assert rule.about
    assert rule.hint
    assert rule.after <= 2 * DAY
    assert sum(one.name == rule.name for one in RULES) == 1


def test_who_does_not_answer_leaves_what_it_would_tell_open() -> None:
    told = look(
        snapshot(mail=None, tls=None, delivery=None, search=None, oldest=None, machine=None)
    )
    unknown = {rule.name for rule, found in told.items() if found is None}
    assert {"solo", "unapplied", "certificate_ends", "next_hop_down", "index_behind"} <= unknown
    assert {"queue_old", "memory_low", "link_down"} <= unknown
    assert "mail_down" not in unknown


def test_the_worst_comes_first() -> None:
    found = holding(look(snapshot(**mail(mode="solo", delivery_connected=False))))
    assert [rule.name for rule, _ in found] == ["solo", "no_delivery"]


def test_a_certificate_that_has_ended_is_worse() -> None:
    ended = replace(CERTIFICATE, days_left=-3)
    ((rule, found),) = holding(look(snapshot(**tls(certificate=ended, imported=True))))
    assert rule.severity is Severity.WARNING
    assert found.severity is Severity.CRITICAL
    assert "ended 3 days ago" in found.text
    assert "twinpost tls import" in (found.hint or "")


def test_a_peer_that_is_gone_is_no_matter_of_its_paths() -> None:
    dark = replace(FAILOVER, peer_alive=False, paths=(replace(PATH, alive=False),))
    assert names(snapshot(failover=dark)) == []


def test_many_of_a_kind_are_told_with_how_many_more_there_are() -> None:
    hops = tuple(replace(HOP, name=f"mx{number}.test:25") for number in range(500))
    (found,) = [
        found
        for rule, found in look(snapshot(delivery=replace(DELIVERY_UP, hops=hops))).items()
        if rule.name == "next_hop_down"
    ]
    assert found is not None
    assert len(found) == MOST
    assert found[-1].text == "The same of 481 more."


def test_what_comes_from_outside_cannot_steer_a_terminal() -> None:
    evil = "\x1b[2J\n\u202e<b>"
    seen = snapshot(
        mail=replace(MAIL, accepting=False, reason=evil, site_problem=evil),
        delivery=replace(DELIVERY, hops=(replace(HOP, name=evil, reason=evil),)),
        paused=(PauseView(what=evil, reason=evil, by=evil, at=0),),
        tls=replace(TLS, problems=(evil,)),
        failover=replace(
            FAILOVER,
            paths=(replace(PATH, alive=False, error=evil),),
            foreign=(ForeignView(address="127.0.0.1", hardware=evil, ago=1),),
        ),
    )
    found = holding(look(seen))
    assert len(found) >= 7
    for _, one in found:
        assert (one.text + one.subject + (one.hint or "")).isprintable()
