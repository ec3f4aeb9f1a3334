"""A report with something of everything, from fixed values."""

from __future__ import annotations

import math

from appliance.report.content import (
    Chart,
    Curve,
    Figure,
    Outlook,
    Report,
    Row,
    State,
    Table,
    Tile,
    Trouble,
)

HOUR = 3_600_000
AT = 1_795_867_200_000
WEEK = 168


def wave(base: float, swing: float, phase: float = 0.0) -> tuple[float | None, ...]:
    """A week by the hour, with a night in each day and a hole in one."""
    return tuple(
        None
        if 60 <= hour < 66
        else max(0.0, base + swing * math.sin((hour - 8 + phase) / 24 * 2 * math.pi))
        for hour in range(WEEK)
    )


def chart(title: str, unit: str, *curves: Curve) -> Chart:
    return Chart(title=title, unit=unit, start=AT - WEEK * HOUR, step=HOUR, curves=curves)


def two(base: float, swing: float) -> tuple[Curve, Curve]:
    return (
        Curve(label="node a", mean=wave(base, swing), greatest=wave(base * 1.4, swing * 1.5)),
        Curve(label="node b", mean=wave(base / 2, swing / 2, 3)),
    )


def report() -> Report:
    good, attention, critical = State.GOOD, State.ATTENTION, State.CRITICAL
    return Report(
        site="ship7.example",
        node="a",
        release="0.1.0",
        made_at=AT,
        since=AT - WEEK * HOUR,
        redacted=False,
        key="1a2b3c4d",
        nodes=("a", "b"),
        glance=(
            Tile(name="Pair", value="paired", state=good, note="for 6 d 3 h; nothing exposed"),
            Tile(name="Mail", value="accepted", state=good, note="on both nodes"),
            Tile(name="Addresses", value="at node a", state=good, note="since 6 d 3 h"),
            Tile(name="Queue", value="41 waiting", state=attention, note="the oldest for 2 d 4 h"),
            Tile(name="Disk", value="61.2 GiB free", state=good, note="enough for years"),
            Tile(name="Certificate", value="good for 396 days", state=good),
            Tile(
                name="Backup",
                value="3 days ago",
                state=critical,
                note="failed since: /media/stick: No such file or directory",
            ),
            Tile(name="Self-test", value="passed", state=good, note="6 h ago; 200 messages read"),
        ),
        troubles=(
            Trouble(
                node="a",
                state=critical,
                text="the job backup fails: /media/stick: No such file or directory",
                hint="put the stick in and mount it, or make the folder",
            ),
            Trouble(
                node="",
                state=attention,
                text="192.0.2.25:25 gets no mail since 2 d 4 h: 451 4.4.1 <Connection & refused>",
                hint="is the next hop up? `twinpost route status` shows all",
            ),
        ),
        facts=(
            Row(name="mode", values=("paired", "paired")),
            Row(name="mail process runs for", values=("6 d 3 h", "6 d 2 h")),
            Row(name="restarts of processes", values=("0", "1 (search)")),
            Row(name="hostname", values=("a.ship7.example", "b.ship7.example")),
        ),
        figures=(
            *(
                Figure(
                    name=name, group=group, title=title, node=node, value=value, text=f"{value:,}"
                )
                for name, group, title, one, other in (
                    ("queue.deferred", "now", "recipients deferred", 41, 0),
                    ("mail.accepted", "since mail started", "messages accepted", 812_345, 1_204),
                    ("mail.delivered", "since mail started", "delivered", 1_023_998, 3_409),
                )
                for node, value in (("a", one), ("b", other), ("", one + other))
            ),
        ),
        outlook=(
            Outlook(
                node="a",
                what="disk of the spool",
                now="61.2 GiB free of 100.0 GiB",
                trend="−412.0 MiB a day",
                days=152.0,
                text="in about 5 months",
                state=good,
            ),
            Outlook(
                node="b",
                what="disk of the spool",
                now="3.1 GiB free of 100.0 GiB",
                trend="−512.0 MiB a day",
                days=6.0,
                text="in 6 days",
                state=attention,
            ),
            Outlook(
                node="a",
                what="certificate for TLS",
                now="good for 396 days",
                trend="renewed by itself",
                days=396.0,
                text="in 396 days",
                state=good,
            ),
        ),
        charts=(
            chart("Messages accepted", "per minute", *two(1100, 900)),
            chart("Queue", "recipients", *two(30, 28)),
            chart("Free for the spool", "bytes", *two(61.2 * 2**30, 2**30)),
            chart("Processor, all of it", "share", *two(0.3, 0.2)),
            chart("Oldest message", "s", Curve(label="node a", mean=wave(7000, 6000))),
            chart("Never sampled", "s", Curve(label="node a", mean=(None,) * WEEK)),
        ),
        tables=(
            Table(
                title="Jobs",
                heads=("job", "node", "last", "outcome"),
                rows=(
                    ("backup", "a", "2026-11-28 09:00 UTC", "failed: No such file or directory"),
                    ("self-test", "a", "2026-11-28 06:00 UTC", "200 messages read back"),
                ),
            ),
            Table(
                title="Events",
                heads=("at", "node", "", "event"),
                rows=(
                    (
                        "2026-11-27 23:14 UTC",
                        "a",
                        "warning",
                        "hop_down: relay 192.0.2.25:25, reply <script>alert(1)</script>",
                    ),
                    ("2026-11-27 03:02 UTC", "b", "warning", "service_exited: search, -9"),
                ),
            ),
            Table(title="Alerts", heads=("at",), rows=(), note="No alert was raised."),
        ),
        configuration=(
            Table(
                title="Node a",
                heads=("", ""),
                rows=(("disk_reserve", "64MiB"), ("backup.target", "/media/stick")),
            ),
            Table(title="Site", heads=("", ""), rows=(("domains", "ship7.example"),)),
        ),
    )
