"""Reports to a sender that is an alias."""

from __future__ import annotations

from appliance.delivery.desk import Desk, Identity
from appliance.mail.aliases import Aliases
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.retry import RetrySchedule
from appliance.mail.work import NewMessage


def test_everybody_behind_the_alias_gets_the_report() -> None:
    aliases = Aliases({"sales@site.test": ("ann@site.test", "bob@site.test")})
    desk = Desk(
        Identity("node.test", "postmaster@site.test", aliases),
        RetrySchedule(),
        lambda *_, **__: None,
        lambda: 0.0,
        lambda: 0,
        lambda: 0.0,
        lambda: "token",
    )
    report = NewMessage(Envelope("", (Recipient("Sales@site.test"),)), b"Subject: x\r\n\r\n")
    addressed = desk._addressed(report)
    assert [one.address for one in addressed.envelope.recipients] == [
        "ann@site.test",
        "bob@site.test",
    ]
    assert addressed.content == report.content
