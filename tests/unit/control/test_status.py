"""The sentence on top, and whether clients should be sent here."""

from __future__ import annotations

from appliance.control.schema_alerts import AlertView
from appliance.control.status import health, summary
from tests.support.control import MAIL

SOLO = AlertView(
    name="solo",
    subject="",
    severity="critical",
    text="Solo: the peer is gone.",
    hint="start the peer",
    phase="raised",
    held=1,
    raised_at=1,
    acknowledged=None,
)


def test_the_worst_is_the_summary() -> None:
    assert "both nodes" in summary([])
    assert summary([SOLO]) == "Solo: the peer is gone."
    assert summary([SOLO] * 3) == "Solo: the peer is gone. (and 2 more alerts)"


def test_health() -> None:
    assert health(MAIL, False).ok
    assert not health(None, False).ok
