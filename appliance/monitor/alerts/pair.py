"""Rules about the pair: its mode, what is on one node only, the link, the site."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from appliance.mail.views import MailView
from appliance.mail.visible import visible
from appliance.monitor.alerts.rule import HOUR, MINUTE, SECOND, Condition, Found, Rule, Severity
from appliance.monitor.snapshot import Snapshot

_LAG = 10 * SECOND
_OFFSET = 5 * SECOND


def of_mail(condition: Callable[[MailView], Iterable[Found]]) -> Condition:
    """A condition that the mail process tells."""
    return lambda seen: None if seen.mail is None else condition(seen.mail)


def _of_pair(condition: Callable[[MailView], Iterable[Found]]) -> Condition:
    def holds(seen: Snapshot) -> Iterable[Found] | None:
        if seen.mail is None:
            return None
        return condition(seen.mail) if seen.paired else ()

    return holds


def _mode(mode: str, text: str) -> Condition:
    return _of_pair(
        lambda mail: [Found(text.format(exposed=mail.exposed))] if mail.mode == mode else []
    )


def _not_paired(seen: Snapshot) -> Iterable[Found]:
    return [] if seen.paired else [Found("This node has no peer: a message is on one disk only.")]


def _exposed(mail: MailView) -> Iterable[Found]:
    if mail.exposed and mail.mode != "paired":
        yield Found(f"{mail.exposed} messages have been on this node only for minutes.")


def _backlog(mail: MailView) -> Iterable[Found]:
    if not mail.synced:
        yield Found("Mail from before the start waits for the peer, which may have delivered it.")


def _link(seen: Snapshot) -> Iterable[Found] | None:
    if seen.mail is None or seen.failover is None:
        return None
    connected = seen.mail.peer is not None and seen.mail.peer.connected
    if seen.paired and seen.failover.peer_alive and not connected:
        return [Found("The link to the peer is down, though its heartbeats come.")]
    return []


def _lag(mail: MailView) -> Iterable[Found]:
    if mail.peer is not None and mail.peer.lag_ms > _LAG:
        yield Found(f"The peer is {mail.peer.lag_ms // 1000} s behind ({mail.peer.lag} records).")


def _offset(seen: Snapshot) -> Iterable[Found] | None:
    if seen.clock_offset is None:
        return None
    if abs(seen.clock_offset) <= _OFFSET:
        return []
    seconds = abs(seen.clock_offset) / 1000
    which = "ahead of" if seen.clock_offset > 0 else "behind"
    return [Found(f"The other node's clock is {seconds:.0f} s {which} this one's.")]


def _releases(seen: Snapshot) -> Iterable[Found] | None:
    if not seen.peer_release:
        return None
    if seen.peer_release == seen.release:
        return []
    both = f"{seen.release} here, {visible(seen.peer_release, 40)} on the other one"
    return [Found(f"The nodes run different releases: {both}.")]


def _unapplied(mail: MailView) -> Iterable[Found]:
    if mail.unapplied:
        yield Found(f"{mail.unapplied} records of the peer are stored but could not be applied.")


def _branched(mail: MailView) -> Iterable[Found]:
    if mail.site_branches:
        many = mail.site_branches > 1
        what = f"{mail.site_branches} changes" if many else "A change"
        yield Found(
            f"{what} of the site, made while the nodes were apart, {'do' if many else 'does'}"
            " not apply."
        )


def _not_applied(mail: MailView) -> Iterable[Found]:
    if mail.site_problem:
        why = visible(mail.site_problem, 500)
        yield Found(
            "The latest version of the site cannot be used here; an older one applies.",
            hint=f"bring this node to the other one's release, or change the site: {why}",
        )


RULES: tuple[Rule, ...] = (
    Rule(
        "solo",
        Severity.CRITICAL,
        _mode("solo", "Solo: the peer is gone, {exposed} messages are on this node only."),
        "the peer is gone; new mail is on one node only",
        "start the peer or repair the network; do not switch this node off",
        after=2 * SECOND,
        clear=15 * SECOND,
    ),
    Rule(
        "split",
        Severity.CRITICAL,
        _mode("split", "Split: both nodes act on their own and cannot reach one another."),
        "both nodes live and cannot hear each other",
        "repair the network between the nodes; nothing is lost, they merge by themselves",
        after=2 * SECOND,
        clear=15 * SECOND,
    ),
    Rule(
        "catching_up",
        Severity.WARNING,
        _mode("catching up", "Catching up: {exposed} messages are on this node only."),
        "the peer is back, and does not hold everything yet",
        "wait; it ends by itself once both nodes hold the same",
        after=MINUTE,
    ),
    Rule(
        "exposed",
        Severity.CRITICAL,
        _of_pair(_exposed),
        "messages have been on one node only for ten minutes",
        "bring the other node back; until then this node's disk is the only one that has them",
        after=10 * MINUTE,
        quiet=True,
    ),
    Rule(
        "not_paired",
        Severity.WARNING,
        _not_paired,
        "the node has no peer",
        "run `twinpost pair init` here and `twinpost pair join` on the other node",
        after=MINUTE,
    ),
    Rule(
        "backlog_waits",
        Severity.WARNING,
        _of_pair(_backlog),
        "the node started without its peer: older mail waits",
        "start the peer, or run `twinpost pair take-over` if it will not come back",
        after=30 * SECOND,
    ),
    Rule(
        "link_down",
        Severity.WARNING,
        _link,
        "heartbeats come, but there is no link",
        "let the port of [link] through in both directions; read log/mail.log for link_refused",
        after=10 * SECOND,
        quiet=True,
    ),
    Rule(
        "peer_behind",
        Severity.WARNING,
        of_mail(_lag),
        "the peer has not acknowledged a record for 10 s",
        "look at the other node's disk and at the network between the nodes",
        after=10 * SECOND,
        quiet=True,
    ),
    Rule(
        "clock_offset",
        Severity.WARNING,
        _offset,
        "the nodes' clocks differ by more than 5 s",
        "set them (`timedatectl set-time`, or chrony); mail goes on, dates in it differ",
        after=MINUTE,
        clear=MINUTE,
        shared=True,
    ),
    Rule(
        "releases_differ",
        Severity.WARNING,
        _releases,
        "the nodes have run different releases for an hour",
        "see `twinpost update status`, then update the pair: `twinpost update pair FILE`",
        after=HOUR,
        quiet=True,
        shared=True,
    ),
    Rule(
        "unapplied",
        Severity.CRITICAL,
        of_mail(_unapplied),
        "records of the peer are kept and could not be applied",
        "keep both disks as they are and export the queue; read log/mail.log",
    ),
    Rule(
        "site_branched",
        Severity.WARNING,
        of_mail(_branched),
        "changes of the site, made on both sides of a split, wait for a decision",
        "see `twinpost config history` and `config diff head VERSION`; then"
        " `config rollback VERSION` takes it, `config settle` keeps what applies",
        shared=True,
    ),
    Rule(
        "site_not_applied",
        Severity.CRITICAL,
        of_mail(_not_applied),
        "the latest version of the site cannot be used here",
        "bring this node to the other one's release, or change the site",
        after=10 * SECOND,
    ),
)
