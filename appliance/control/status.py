"""What the state of a node means: alarms with what to do, and one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from appliance.control.schema import Alarm, Health, Severity
from appliance.mail.views import MailView
from appliance.monitor.snapshot import Disk, Process

_NOT_PAIRED = Alarm(
    name="not_paired",
    severity=Severity.WARNING,
    text="This node has no peer: a message is on one disk only.",
    hint="run `twinpost pair init` here and `twinpost pair join` on the other node",
)
_TOLD_OTHERWISE = ("mail", "failover")
"""Processes that are asked themselves."""
DISK_LOW = 0.05
"""Alarm when less than this part of the spool's file system is free."""


def alarms(
    mail: MailView | None,
    processes: Sequence[Process],
    disk: Disk,
    paired: bool,
    others: Iterable[Alarm] = (),
) -> tuple[Alarm, ...]:
    """Everything that is not as it should be, the worst first, `others` with them.

    `paired`: there is to be a peer.
    """
    found = [*_node_alarms(mail, processes, disk), *others]
    if mail is not None:
        found += _pair_alarms(mail) if paired else [_NOT_PAIRED]
        found += _mail_alarms(mail)
        found += _site_alarms(mail)
    return tuple(sorted(found, key=lambda alarm: alarm.severity))


def summary(found: Sequence[Alarm]) -> str:
    """The state of the node in one sentence, given its alarms."""
    if not found:
        return "Healthy: every message is on both nodes before a client gets its 250."
    others = len(found) - 1
    more = f" (and {others} more alarm{'s' if others > 1 else ''})" if others else ""
    return found[0].text + more


def health(mail: MailView | None, maintenance: bool) -> Health:
    """Whether a client of this node would get its 250 now, and should be sent here."""
    if mail is None:
        return Health(ok=False, mode="down", reason="the mail process does not answer")
    if maintenance:
        return Health(ok=False, mode=mail.mode, reason="maintenance")
    return Health(ok=mail.accepting, mode=mail.mode, reason=mail.reason)


def _node_alarms(
    mail: MailView | None, processes: Sequence[Process], disk: Disk
) -> Iterator[Alarm]:
    if mail is None:
        yield Alarm(
            name="mail_down",
            severity=Severity.CRITICAL,
            text="The mail process does not answer: this node takes no mail.",
            hint="it is started again by itself; if it keeps failing, read log/mail.log",
        )
    for process in processes:
        if process.state == "down" and process.name not in _TOLD_OTHERWISE:
            yield Alarm(
                name=f"{process.name}_down",
                severity=Severity.WARNING,
                text=f"The {process.name} process is down.",
                hint=f"it is started again by itself; see log/{process.name}.log",
            )
    if disk.free < disk.total * DISK_LOW:
        yield Alarm(
            name="disk_low",
            severity=Severity.CRITICAL,
            text=f"Only {disk.free >> 20} MiB are free for the spool.",
            hint="export and remove what is not needed, or give the spool a larger disk",
        )


def _pair_alarms(mail: MailView) -> Iterator[Alarm]:
    if mail.mode == "split":
        yield Alarm(
            name="split",
            severity=Severity.CRITICAL,
            text="Split: both nodes act on their own and cannot reach one another.",
            hint="repair the network between the nodes; nothing is lost, they merge by themselves",
        )
    elif mail.mode == "solo":
        yield Alarm(
            name="solo",
            severity=Severity.CRITICAL,
            text=f"Solo: the peer is gone, {mail.exposed} messages are on this node only.",
            hint="start the peer or repair the network; do not switch this node off",
        )
    elif mail.mode == "catching up":
        yield Alarm(
            name="catching_up",
            severity=Severity.WARNING,
            text=f"Catching up: {mail.exposed} messages are on this node only.",
            hint="wait; it ends by itself once both nodes hold the same",
        )
    if not mail.synced:
        yield Alarm(
            name="backlog_waits",
            severity=Severity.WARNING,
            text="Mail from before the start waits for the peer, which may have delivered it.",
            hint="start the peer, or run `twinpost pair take-over` if it will not come back",
        )


def _mail_alarms(mail: MailView) -> Iterator[Alarm]:
    if not mail.accepting:
        yield Alarm(
            name="not_accepting",
            severity=Severity.CRITICAL,
            text=f"New mail is refused for now: {mail.reason}.",
            hint="clients keep it and try again; remove the cause",
        )
    if not mail.delivery_connected:
        yield Alarm(
            name="no_delivery",
            severity=Severity.WARNING,
            text="The delivery process is not connected: mail is accepted and stays queued.",
            hint="it is started again by itself; if it keeps failing, read log/delivery.log",
        )
    if mail.unapplied:
        yield Alarm(
            name="unapplied",
            severity=Severity.CRITICAL,
            text=f"{mail.unapplied} records of the peer are stored but could not be applied.",
            hint="keep both disks as they are and export the queue; read log/mail.log",
        )


def _site_alarms(mail: MailView) -> Iterator[Alarm]:
    if mail.site_branches:
        many = mail.site_branches > 1
        what = f"{mail.site_branches} changes" if many else "A change"
        yield Alarm(
            name="site_branched",
            severity=Severity.WARNING,
            text=f"{what} of the site, made while the nodes were apart, {'do' if many else 'does'}"
            " not apply.",
            hint="see `twinpost config history` and `config diff head VERSION`; then"
            " `config rollback VERSION` takes it, `config settle` keeps what applies",
        )
    if mail.site_problem:
        yield Alarm(
            name="site_not_applied",
            severity=Severity.CRITICAL,
            text="The latest version of the site cannot be used here; an older one applies.",
            hint=f"bring this node to the other one's release, or change the site:"
            f" {mail.site_problem}",
        )
