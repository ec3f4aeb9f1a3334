"""Which figures the history keeps, and how each is read from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from appliance.failover.router import State
from appliance.mail.histogram import quantile
from appliance.mail.views import HistogramView
from appliance.monitor.availability import OWN, PEER, SERVICE
from appliance.monitor.snapshot import Snapshot

PROCESSES = ("mail", "delivery", "failover", "control", "search", "balance", "account")


@dataclass(frozen=True)
class Reading:
    """A counter: `source` is another one once it has begun to count anew."""

    source: str
    count: float


@dataclass(frozen=True)
class Spread:
    """A histogram: of what came since the last look, the bound that `share` did not exceed."""

    source: str
    counts: tuple[int, ...]
    share: float


@dataclass(frozen=True)
class Share:
    """Of what was tried since the last look, which share went well; counted since the start."""

    good: int
    bad: int


@dataclass(frozen=True)
class Series:
    """A figure of the history. A counter's figure is how much it grew, a second."""

    name: str
    unit: str
    title: str
    read: Callable[[Snapshot], float | Reading | Spread | Share | None]


def _mail(name: str, unit: str, title: str, field: str, scale: float = 1.0) -> Series:
    def read(seen: Snapshot) -> float | None:
        return None if seen.mail is None else scale * getattr(seen.mail, field)

    return Series(name, unit, title, read)


def _mail_rate(name: str, title: str, field: str, unit: str = "1/s") -> Series:
    def read(seen: Snapshot) -> Reading | None:
        mail = seen.mail
        return None if mail is None else Reading(mail.incarnation, getattr(mail, field))

    return Series(name, unit, title, read)


def _queue(field: str, title: str) -> Series:
    def read(seen: Snapshot) -> float | None:
        return None if seen.queue is None else getattr(seen.queue, field)

    return Series(f"queue.{field}", "recipients", title, read)


def _hops_rate(name: str, title: str, field: str) -> Series:
    def read(seen: Snapshot) -> Reading | None:
        if seen.delivery is None:
            return None
        return Reading(_started(seen, "delivery"), getattr(seen.delivery, field))

    return Series(name, "1/s", title, read)


def _process(name: str) -> Iterator[Series]:
    def cpu(seen: Snapshot) -> Reading | None:
        used = seen.usage.get(name)
        return None if used is None else Reading(str(used.started), used.cpu / 1000)

    def memory(seen: Snapshot) -> float | None:
        used = seen.usage.get(name)
        return None if used is None else used.memory

    yield Series(f"process.{name}.cpu", "cores", f"Processor: {name}", cpu)
    yield Series(f"process.{name}.memory", "bytes", f"Memory: {name}", memory)


def _commit(share: float) -> Callable[[Snapshot], Spread | None]:
    def read(seen: Snapshot) -> Spread | None:
        mail = seen.mail
        return None if mail is None else Spread(mail.incarnation, mail.commit.counts, share)

    return read


def _sending(field: str, share: float) -> Callable[[Snapshot], Spread | None]:
    def read(seen: Snapshot) -> Spread | None:
        if seen.delivery is None:
            return None
        view: HistogramView = getattr(seen.delivery, field)
        return Spread(_started(seen, "delivery"), view.counts, share)

    return read


def _probed(target: str) -> Callable[[Snapshot], Share | None]:
    def read(seen: Snapshot) -> Share | None:
        probed = seen.probed.get(target)
        return None if probed is None else Share(probed.good, probed.bad)

    return read


def _started(seen: Snapshot, process: str) -> str:
    used = seen.usage.get(process)
    return "" if used is None else str(used.started)


def _lag(seen: Snapshot) -> float | None:
    return seen.mail.peer.lag_ms / 1000 if seen.mail and seen.mail.peer else None


def _active(seen: Snapshot) -> float | None:
    if seen.failover is None:
        return None
    return any(router.state == State.ACTIVE for router in seen.failover.routers)


def _hops_down(seen: Snapshot) -> float | None:
    return None if seen.delivery is None else sum(hop.state != "up" for hop in seen.delivery.hops)


def _machine_cpu(seen: Snapshot) -> Reading | None:
    return None if seen.machine is None else Reading("", seen.machine.cpu_used / 1000)


def _days(seen: Snapshot) -> float | None:
    return seen.tls.certificate.days_left if seen.tls and seen.tls.certificate else None


SERIES: tuple[Series, ...] = (
    _mail_rate("mail.accepted", "Messages accepted", "accepted"),
    _mail_rate("mail.rejected", "Commands refused", "rejected"),
    _mail_rate("mail.delivered", "Recipients delivered", "delivered"),
    _mail_rate("mail.deferred", "Attempts to be made again", "deferred"),
    _mail_rate("mail.bounced", "Recipients refused for good", "bounced"),
    _mail_rate("mail.failed_logins", "Logins refused", "failed_logins"),
    Series("latency.commit.p50", "s", "Half of messages durable within", _commit(0.5)),
    Series("latency.commit.p99", "s", "99 % of messages durable within", _commit(0.99)),
    Series("latency.wait.p50", "s", "Half of first attempts within", _sending("waited", 0.5)),
    Series("latency.wait.p99", "s", "99 % of first attempts within", _sending("waited", 0.99)),
    Series("latency.attempt.p50", "s", "Half of attempts took up to", _sending("took", 0.5)),
    Series("latency.attempt.p99", "s", "99 % of attempts took up to", _sending("took", 0.99)),
    _mail("mail.connections", "connections", "Clients connected", "connections"),
    _mail("pair.exposed", "messages", "Messages on this node only", "exposed"),
    Series(
        "pair.paired",
        "share",
        "Time in which 250 meant both nodes",
        lambda seen: None if seen.mail is None else seen.mail.mode == "paired",
    ),
    Series("pair.lag", "s", "Age of the oldest record the peer does not hold", _lag),
    Series("failover.active", "share", "Time with a virtual address here", _active),
    Series("availability.service", "share", "Service greeted", _probed(SERVICE)),
    Series("availability.own", "share", "This node greeted", _probed(OWN)),
    Series("availability.peer", "share", "The other node greeted", _probed(PEER)),
    _queue("queued", "In the queue, not tried yet"),
    _queue("leased", "In the queue, under way"),
    _queue("deferred", "In the queue, tried and to be tried again"),
    _queue("held", "In the queue, held"),
    _queue("waiting", "In the queue, not this node's to deliver now"),
    Series(
        "queue.oldest",
        "s",
        "Age of the oldest message that is not held",
        lambda seen: None if seen.oldest is None else seen.oldest / 1000,
    ),
    _hops_rate("hops.transactions", "Transactions with next hops", "transactions"),
    _hops_rate("hops.reused", "Transactions over an open connection", "hits"),
    _hops_rate("hops.failed", "Connections that could not be made", "failed"),
    Series("hops.down", "next hops", "Next hops that get no mail now", _hops_down),
    Series(
        "search.lag",
        "s",
        "Age of the oldest message that cannot be found yet",
        lambda seen: None if seen.search is None else seen.search.lag / 1000,
    ),
    Series(
        "search.size",
        "bytes",
        "The search index on the disk",
        lambda seen: None if seen.search is None else seen.search.size,
    ),
    Series("disk.free", "bytes", "Free for the spool", lambda seen: seen.disk.free),
    Series(
        "memory.free",
        "bytes",
        "Memory that is free or could be",
        lambda seen: None if seen.machine is None else seen.machine.memory_free,
    ),
    Series("machine.cpu", "cores", "Processor: everything", _machine_cpu),
    *(series for name in PROCESSES for series in _process(name)),
    Series("tls.certificate", "days", "Until the certificate for TLS ends", _days),
)


class Rates:
    """Makes rates of counters. `last`: what each said, and when by a clock in seconds.

    A counter that began anew, since its process did, has counted from nothing: what it says is what
    came since. So a restart is neither a spike nor a hole of what went on.
    """

    def __init__(self, series: Iterable[Series] = SERIES) -> None:
        self._series = tuple(series)
        self._last: dict[str, tuple[float, Reading]] = {}
        self._spread: dict[str, Spread] = {}
        self._shared: dict[str, Share] = {}

    def figures(self, seen: Snapshot, now: float) -> Mapping[str, float]:
        """The figures of a moment, without those that are not known."""
        found: dict[str, float] = {}
        for series in self._series:
            read = series.read(seen)
            match read:
                case Reading():
                    figure = self._rate(series.name, read, now)
                case Spread():
                    figure = self._quantile(series.name, read)
                case Share():
                    figure = self._share(series.name, read)
                case _:
                    figure = read
            if figure is not None:
                found[series.name] = float(figure)
        return found

    def _share(self, name: str, share: Share) -> float | None:
        before = self._shared.get(name, Share(0, 0))
        self._shared[name] = share
        good, bad = share.good - before.good, share.bad - before.bad
        return good / (good + bad) if good + bad > 0 else None

    def _quantile(self, name: str, spread: Spread) -> float | None:
        before = self._spread.get(name)
        self._spread[name] = spread
        if before is None:
            return None
        counts = spread.counts
        if before.source == spread.source and len(before.counts) == len(counts):
            grown = [now - last for now, last in zip(counts, before.counts, strict=True)]
            return quantile(counts if any(one < 0 for one in grown) else grown, spread.share)
        return quantile(counts, spread.share)

    def _rate(self, name: str, reading: Reading, now: float) -> float | None:
        before = self._last.get(name)
        self._last[name] = now, reading
        if before is None or now <= before[0]:
            return None
        since, last = before
        anew = reading.source != last.source or reading.count < last.count
        return (reading.count - (0 if anew else last.count)) / (now - since)
