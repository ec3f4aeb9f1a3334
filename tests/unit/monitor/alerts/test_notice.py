"""What is told is a message like any other, and no machine answers it."""

from __future__ import annotations

import email
import email.policy

from msgspec.structs import replace

from appliance.monitor.alerts.engine import Alert, Phase
from appliance.monitor.alerts.notice import message, notice
from appliance.monitor.alerts.rule import Severity

ALERT = Alert(
    name="solo",
    subject="",
    severity=Severity.CRITICAL,
    text="Solo: the peer is gone, 7 messages are on this node only.",
    hint="start the peer or repair the network; do not switch this node off, and much more",
    phase=Phase.RAISED,
    since=0,
    raised=2000,
    wall=1_790_000_000_000,
)
ENDED = replace(
    ALERT, name="path_down", subject="10.0.0.2:1", phase=Phase.CLEARED, cleared=9000,
    severity=Severity.WARNING, text="Zażółć",
)  # fmt: skip


def made(*alerts: Alert) -> bytes:
    return message("a", "postmaster@site.test", "postmaster@site.test", alerts, 0, "token")


def test_a_message_about_alerts() -> None:
    raw = made(ALERT, ENDED)
    told = email.message_from_bytes(raw, policy=email.policy.default)
    assert told["Subject"] == "[Twinpost a] CRITICAL: solo"
    assert told["Auto-Submitted"] == "auto-generated"
    assert told["To"] == "postmaster@site.test"
    body = told.get_content()
    assert "CRITICAL: Solo: the peer is gone" in body
    assert "What to do: start the peer" in body
    assert "Cleared on node a" in body
    assert "(path_down 10.0.0.2:1, since Mon, 21 Sep 2026 14:13:20 +0000, for 7 s)" in body
    assert "Zażółć" in body
    assert not told.defects


def test_lines_are_as_mail_wants_them() -> None:
    raw = made(*[replace(ALERT, subject=str(number)) for number in range(200)])
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"CRITICAL: Solo") == 50
    assert b"and 150 more." in raw
    assert len(raw) < 256 * 1024


def test_a_command_gets_the_same_as_values() -> None:
    told = notice("a", ENDED)
    assert (told.event, told.name, told.lasted) == ("cleared", "path_down", 7000)
    assert (notice("a", ALERT).event, notice("a", ALERT).lasted) == ("raised", None)
