"""Rules about mail: whether it is accepted, delivered, and how long it waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.mail.views import MailView
from appliance.mail.visible import visible
from appliance.monitor.alerts.pair import of_mail
from appliance.monitor.alerts.rule import DAY, HOUR, MINUTE, SECOND, Found, Rule, Severity
from appliance.monitor.availability import DAYS, OWN, SERVICE
from appliance.monitor.snapshot import Snapshot

_QUEUE_OLD = 4 * HOUR


def _not_accepting(mail: MailView) -> Iterator[Found]:
    if not mail.accepting:
        yield Found(f"New mail is refused for now: {visible(mail.reason, 200)}.")


def _no_delivery(mail: MailView) -> Iterator[Found]:
    if not mail.delivery_connected:
        yield Found("The delivery process is not connected: mail is accepted and stays queued.")


def _old(seen: Snapshot) -> Iterable[Found] | None:
    if seen.oldest is None:
        return None
    if seen.oldest <= _QUEUE_OLD:
        return []
    return [Found(f"The oldest message in the queue has waited for {seen.oldest // HOUR} hours.")]


def _hops(seen: Snapshot) -> Iterable[Found] | None:
    if seen.delivery is None:
        return None
    return [
        Found(f"Next hop {name} takes no mail: {visible(hop.reason, 200)}", name)
        for hop in seen.delivery.hops
        if hop.state == "resting"
        for name in [visible(hop.name, 200)]
    ]


def _paused(seen: Snapshot) -> Iterator[Found]:
    for one in seen.paused:
        what, by = visible(one.what, 200), visible(one.by, 60)
        hint = f"when you are done: twinpost route resume {what}"
        yield Found(f"Mail for {what} is paused, by {by}: it waits, and ages.", what, hint)


def _silent(seen: Snapshot) -> Iterator[Found]:
    for target, text in (
        (SERVICE, "No SMTP service greets where clients connect"),
        (OWN, "This node's SMTP service does not greet"),
    ):
        probed = seen.probed.get(target)
        if probed is not None and probed.failing:
            yield Found(f"{text}, for {probed.failing // SECOND} s.", target)


def _missed(seen: Snapshot) -> Iterator[Found]:
    for one in seen.availability:
        if one.target == SERVICE and one.days == DAYS[-1] and one.budget_left < 0:
            yield Found(
                f"The service was greeted in {100 * one.share:.3f} % of the last {one.days} days;"
                " the objective is 99.9 %."
            )


RULES: tuple[Rule, ...] = (
    Rule(
        "not_accepting",
        Severity.CRITICAL,
        of_mail(_not_accepting),
        "the node answers new mail with 4yz",
        "clients keep it and try again; remove the cause",
        after=10 * SECOND,
    ),
    Rule(
        "no_delivery",
        Severity.WARNING,
        of_mail(_no_delivery),
        "mail is accepted, and nothing is delivered",
        "it is started again by itself; if it keeps failing, read log/delivery.log",
        after=15 * SECOND,
    ),
    Rule(
        "next_hop_down",
        Severity.WARNING,
        _hops,
        "a next hop has taken no mail for ten minutes",
        "see `twinpost route status`; mail for it is kept and tried again",
        after=10 * MINUTE,
        quiet=True,
        clear=5 * MINUTE,
        lull=5 * MINUTE,
    ),
    Rule(
        "queue_old",
        Severity.WARNING,
        _old,
        "a message that is not held has waited for more than four hours",
        "see `twinpost queue list`: it says why each one waits",
        after=MINUTE,
        clear=5 * MINUTE,
    ),
    Rule(
        "pause_forgotten",
        Severity.WARNING,
        _paused,
        "a domain or next hop has been paused for a day: perhaps it was forgotten",
        "when you are done: twinpost route resume",
        after=DAY,
        quiet=True,
        shared=True,
    ),
    Rule(
        "not_greeted",
        Severity.CRITICAL,
        _silent,
        "probes of the SMTP service are not greeted",
        "see `twinpost status` and `failover status` on both nodes, and log/mail.log",
        after=30 * SECOND,
        quiet=True,
    ),
    Rule(
        "availability_missed",
        Severity.WARNING,
        _missed,
        "the service failed for more of the last 30 days than the objective allows",
        "see `twinpost metrics show availability.service --range 30d` and `alerts history`",
        after=MINUTE,
        clear=HOUR,
        shared=True,
    ),
)
