"""Rules about a node itself: its processes, disk, memory, certificates, index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from appliance.ipc.search import SearchView
from appliance.mail.tls_views import TlsView
from appliance.mail.visible import visible
from appliance.monitor.alerts.rule import DAY, MINUTE, SECOND, Condition, Found, Rule, Severity
from appliance.monitor.jobs import Outcome
from appliance.monitor.snapshot import Snapshot

DISK_LOW = 0.05
"""Alert when less than this part of the spool's file system is free."""
_MEMORY_LOW = 0.05
_RESTARTS = 3
_SOON = 30
"""Days: a node renews its own certificate long before."""
_YEAR = 365
_INDEX_LAG = MINUTE
_TOLD_OTHERWISE = ("mail", "failover")
"""Processes that are asked themselves."""


def _mail_down(seen: Snapshot) -> Iterable[Found]:
    text = "The mail process does not answer: this node takes no mail."
    return [Found(text)] if seen.mail is None else []


def _process_down(seen: Snapshot) -> Iterator[Found]:
    for one in seen.processes:
        if one.state == "down" and one.name not in _TOLD_OTHERWISE:
            hint = f"it is started again by itself; see log/{one.name}.log"
            yield Found(f"The {one.name} process is down.", one.name, hint)


def _restarting(seen: Snapshot) -> Iterator[Found]:
    for name, times in seen.restarts.items():
        if times >= _RESTARTS:
            text = f"The {name} process was started again {times} times in the last 10 minutes."
            yield Found(text, name, f"see log/{name}.log for why it ends")


def _disk(seen: Snapshot) -> Iterable[Found]:
    low = seen.disk.free < seen.disk.total * DISK_LOW
    return [Found(f"Only {seen.disk.free >> 20} MiB are free for the spool.")] if low else []


def _memory(seen: Snapshot) -> Iterable[Found] | None:
    if seen.machine is None:
        return None
    low = seen.machine.memory_free < seen.machine.memory * _MEMORY_LOW
    free = f"Only {seen.machine.memory_free >> 20} MiB of memory are left."
    return [Found(free)] if low else []


def _of_tls(condition: Callable[[TlsView], Iterable[Found]]) -> Condition:
    return lambda seen: None if seen.tls is None else condition(seen.tls)


def _clock(tls: TlsView) -> Iterator[Found]:
    if tls.clock:
        yield Found(f"This node's clock must be wrong: {tls.clock}.")


def _no_certificate(tls: TlsView) -> Iterator[Found]:
    if tls.certificate is None:
        yield Found("This node has no certificate: it offers no TLS.")


def _certificate(tls: TlsView) -> Iterator[Found]:
    if tls.certificate is not None and tls.certificate.days_left < _SOON:
        days = tls.certificate.days_left
        yield Found(
            f"The certificate for TLS {_ends(days)}.",
            hint="import a new one: twinpost tls import FILE --key FILE" if tls.imported else None,
            severity=Severity.CRITICAL if days < 0 else None,
        )


def _authority(tls: TlsView) -> Iterator[Found]:
    if tls.authority is not None and tls.authority.days_left < _YEAR:
        yield Found(f"The site's certificate authority {_ends(tls.authority.days_left)}.")


def _unusable(tls: TlsView) -> Iterator[Found]:
    for number, problem in enumerate(tls.problems):
        text = "Something that was imported for TLS cannot be used here: "
        yield Found(text + visible(problem, 300), str(number) if number else "")


def _ends(days: int) -> str:
    return f"is good for {days} more days" if days >= 0 else f"ended {-days} days ago"


def _of_search(condition: Callable[[SearchView], Iterable[Found]]) -> Condition:
    def holds(seen: Snapshot) -> Iterable[Found] | None:
        if not seen.searching:
            return ()
        return None if seen.search is None else condition(seen.search)

    return holds


def _index_lag(index: SearchView) -> Iterator[Found]:
    if index.lag > _INDEX_LAG:
        yield Found(
            f"{index.waiting} messages cannot be found yet, the oldest for {index.lag // 1000} s."
        )


def _index_damaged(index: SearchView) -> Iterator[Found]:
    if index.damaged:
        yield Found(f"{index.damaged} parts of the search index are damaged and to be rebuilt.")


def _job_failed(seen: Snapshot) -> Iterator[Found]:
    for job in seen.jobs:
        if job.failures and job.last is not None:
            text = f"The job {job.name} failed: {visible(job.last.text, 300)}"
            yield Found(text, job.name, visible(job.last.hint, 300) or None)


def _backup_old(seen: Snapshot) -> Iterator[Found]:
    for job in seen.jobs:
        if job.name == "backup" and not job.off:
            if job.last is None or job.last.outcome is not Outcome.OK or job.waiting:
                yield Found("No backup has been made for days, though there is to be one.")


RULES: tuple[Rule, ...] = (
    Rule(
        "mail_down",
        Severity.CRITICAL,
        _mail_down,
        "the mail process does not answer",
        "it is started again by itself; if it keeps failing, read log/mail.log",
        after=10 * SECOND,
    ),
    Rule(
        "process_down",
        Severity.WARNING,
        _process_down,
        "a process of the node does not run",
        "it is started again by itself; see its log",
        after=15 * SECOND,
    ),
    Rule(
        "process_restarting",
        Severity.WARNING,
        _restarting,
        "a process was started again three times or more in ten minutes",
        "see its log for why it ends",
        clear=MINUTE,
    ),
    Rule(
        "disk_low",
        Severity.CRITICAL,
        _disk,
        "less than 5 % of the spool's disk is free",
        "export and remove what is not needed, or give the spool a larger disk",
        after=10 * SECOND,
        clear=5 * MINUTE,
    ),
    Rule(
        "memory_low",
        Severity.WARNING,
        _memory,
        "less than 5 % of the machine's memory is left",
        "see `twinpost metrics show` of process.*.memory; give the machine more memory",
        after=2 * MINUTE,
        clear=5 * MINUTE,
    ),
    Rule(
        "clock_implausible",
        Severity.WARNING,
        _of_tls(_clock),
        "the node's clock cannot be right",
        "set it (`timedatectl set-time`, or chrony); mail goes on, dates in it are wrong",
        after=MINUTE,
    ),
    Rule(
        "no_certificate",
        Severity.WARNING,
        _of_tls(_no_certificate),
        "the node has no certificate, and offers no TLS",
        "read log/mail.log for tls_failed",
        after=MINUTE,
    ),
    Rule(
        "certificate_ends",
        Severity.WARNING,
        _of_tls(_certificate),
        "the certificate for TLS is good for less than 30 days; critical once it has ended",
        "it should have been renewed: read log/mail.log for tls_failed",
        after=MINUTE,
    ),
    Rule(
        "authority_ends",
        Severity.WARNING,
        _of_tls(_authority),
        "the site's certificate authority is good for less than a year",
        "make another one and give it to the clients: twinpost tls renew --authority",
        after=MINUTE,
        shared=True,
    ),
    Rule(
        "tls_unusable",
        Severity.WARNING,
        _of_tls(_unusable),
        "something imported for TLS cannot be used here",
        "bring both nodes to the same release, or import it again",
        after=MINUTE,
    ),
    Rule(
        "index_behind",
        Severity.WARNING,
        _of_search(_index_lag),
        "mail of more than a minute ago cannot be found yet",
        "wait; if it does not end, see `twinpost search status` and log/search.log",
        after=5 * MINUTE,
        quiet=True,
        clear=MINUTE,
    ),
    Rule(
        "index_damaged",
        Severity.WARNING,
        _of_search(_index_damaged),
        "parts of the search index are damaged; they are rebuilt by themselves",
        "look at the disk: smartctl -a, dmesg; `twinpost search reindex` makes a new index",
        after=10 * MINUTE,
        quiet=True,
        clear=MINUTE,
    ),
    Rule(
        "job_failed",
        Severity.WARNING,
        _job_failed,
        "a job of the node, such as its backup, has failed; it is run again by itself",
        "see `twinpost job list`; run it again with `twinpost job run NAME`",
        clear=0,
    ),
    Rule(
        "backup_old",
        Severity.WARNING,
        _backup_old,
        "there is to be a backup, and for two days none was made",
        "see `twinpost job list` and `twinpost backup list`: is the stick there, and has room?",
        after=2 * DAY,
        clear=0,
        quiet=True,
    ),
)
