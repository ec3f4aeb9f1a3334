"""What senders hear: retry, expiry, delay, success; and whom nobody writes to."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest

from appliance.mail.envelope import Recipient
from appliance.mail.retry import DAY, HOUR, MINUTE
from appliance.mail.work import NewMessage, Result
from appliance.monitor.events import Event
from tests.support.sink import EXTENSIONS, Script, Sink
from tests.support.work import envelope, message
from tests.unit.delivery.rig import Rig, running

WITHOUT_DSN = [e for e in EXTENSIONS if e != "DSN"]


def parsed(notification: NewMessage) -> EmailMessage:
    made = email.message_from_bytes(notification.content, policy=email.policy.default)
    assert isinstance(made, EmailMessage)
    assert made.get_content_type() == "multipart/report"
    return made


def status(notification: NewMessage) -> str:
    parts = list(parsed(notification).iter_parts())
    return parts[1].as_string()


async def one(rig: Rig, sender: str = "a@from.test", notify: tuple[str, ...] = ()) -> None:
    rig.work.add(message("1", 2000), envelope(sender, Recipient("b@to.test", notify)))
    await rig.work.wake()
    await rig.outcomes(1)


async def test_a_bounce_tells_the_sender() -> None:
    async with Sink(Script({"rcpt": ["550 5.1.1 nobody"]})) as sink, running({"*": sink}) as rig:
        await one(rig)
        (told,) = rig.work.notifications
        assert told.envelope.sender == ""
        assert [r.address for r in told.envelope.recipients] == ["a@from.test"]
        assert "Action: failed" in status(told)
        assert "Remote-MTA: dns; 127.0.0.1" in status(told)
        assert b"X-Token: 1" in told.content
        # It goes with the outcome: both are one transaction of the spool.
        (outcome,) = rig.work.outcomes.values()
        assert outcome.notifications == (told,)
        assert rig.log.events() == [Event.BOUNCED, Event.NOTIFIED]


@pytest.mark.parametrize(
    "sender,notify", [("", ()), ("a@from.test", ("NEVER",)), ("a@from.test", ("SUCCESS",))]
)
async def test_a_bounce_that_nobody_wants(sender: str, notify: tuple[str, ...]) -> None:
    async with Sink(Script({"rcpt": ["550 5.1.1 nobody"]})) as sink, running({"*": sink}) as rig:
        await one(rig, sender, notify)
        assert rig.work.count(Result.BOUNCED) == 1
        assert rig.work.notifications == []


@pytest.mark.parametrize("extensions,told", [(EXTENSIONS, False), (WITHOUT_DSN, True)])
async def test_success_is_told_by_whoever_can(extensions: list[str], told: bool) -> None:
    async with Sink(Script(extensions=extensions)) as sink, running({"*": sink}) as rig:
        await one(rig, notify=("SUCCESS",))
        assert ("NOTIFY=SUCCESS" in sink.messages[0].recipients[0][1]) is not told
        assert len(rig.work.notifications) == told
        if told:
            assert "Action: relayed" in status(rig.work.notifications[0])


async def test_delivery_to_a_mailbox_is_a_success_too() -> None:
    async with running({}) as rig:
        rig.work.add(
            message("1"), envelope("a@from.test", Recipient("ann@site.test", ("SUCCESS",)))
        )
        await rig.outcomes(1)
        assert "Action: delivered" in status(rig.work.notifications[0])


@pytest.mark.parametrize(
    "age,tries,warned,result,retry_in,told",
    [
        (0, 0, False, Result.DEFERRED, MINUTE, None),
        (HOUR, 3, False, Result.DEFERRED, 30 * MINUTE, None),
        (4 * HOUR, 5, False, Result.DEFERRED, 2 * HOUR, "Action: delayed"),
        (4 * HOUR, 5, True, Result.DEFERRED, 2 * HOUR, None),
        (5 * DAY - MINUTE, 20, True, Result.DEFERRED, MINUTE, None),
        (5 * DAY, 20, True, Result.EXPIRED, 0, "Action: failed"),
    ],
)
async def test_retry_warning_and_expiry(
    age: int, tries: int, warned: bool, result: Result, retry_in: int, told: str | None
) -> None:
    async with Sink(Script({"rcpt": ["450 4.2.1 full"]})) as sink, running({"*": sink}) as rig:
        rig.work.add(
            message("1"),
            envelope("a@from.test", "b@to.test"),
            age=age,
            tries=tries,
            delay_notified=warned,
        )
        await rig.work.wake()
        (outcome,) = await rig.outcomes(1)
        assert (outcome.result, outcome.retry_in) == (result, retry_in)
        assert outcome.delayed is (told == "Action: delayed")
        assert [told in status(made) for made in rig.work.notifications if told] == (
            [True] if told else []
        )
        assert outcome.reply.text == "full"


async def test_age_goes_on_while_it_is_in_hand() -> None:
    async with Sink(Script({"rcpt": ["450 4.2.1 full"]})) as sink, running({"*": sink}) as rig:
        await rig.send("b@to.test", age=5 * DAY - 1000)
        await sink.reached("connect")
        rig.clock.advance(1.5)
        (outcome,) = await rig.outcomes(1)
        assert outcome.result is Result.EXPIRED


async def test_without_a_report_a_bounce_waits_for_an_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("hostile original")

    monkeypatch.setattr("appliance.mail.dsn.build", broken)
    async with Sink(Script({"rcpt": ["550 5.1.1 nobody"]})) as sink, running({"*": sink}) as rig:
        await one(rig)
        (outcome,) = rig.work.results()
        assert (outcome.result, outcome.held) == (Result.CANCELLED, True)
        assert "nobody" in outcome.reply.text
        assert Event.FAILED in rig.log.events()
        rig.log.lines.clear()


async def test_content_that_cannot_be_read_is_tried_again() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.work.add(message("1"), envelope("a@from.test", "b@to.test"))
        rig.work.content.bodies.clear()
        await rig.work.wake()
        (outcome,) = await rig.outcomes(1)
        assert outcome.result is Result.DEFERRED
        assert sink.messages == []
        assert Event.FAILED in rig.log.events()
        rig.log.lines.clear()
