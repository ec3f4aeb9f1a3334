"""Metrics of a node itself: processes, machine, disk, certificates, index, jobs, alerts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from appliance.control.families import counters, gauge, gauges
from appliance.ipc.search import SearchView
from appliance.mail.tls_views import TlsView
from appliance.monitor.alerts.table import holding, look, severity
from appliance.monitor.jobs import JobView, Outcome
from appliance.monitor.snapshot import Snapshot

_DAY = 86_400


def node_metrics(seen: Snapshot) -> Iterator[Metric]:
    """How the node is."""
    yield gauges(
        "alarm",
        "What is not as it should be at this moment, by name",
        ["alarm", "severity"],
        [((rule.name, severity(rule, found)), 1) for rule, found in holding(look(seen))],
    )
    yield gauge("disk_free_bytes", "Free for the spool", seen.disk.free)
    yield gauge("disk_size_bytes", "Size of the spool's file system", seen.disk.total)
    yield from _processes(seen)
    if seen.machine is not None:
        yield gauge("memory_bytes", "Memory of the machine", seen.machine.memory)
        yield gauge(
            "memory_available_bytes", "Memory that is free or could be", seen.machine.memory_free
        )
    if seen.tls is not None:
        yield from _tls(seen.tls)
    if seen.search is not None:
        yield from _search(seen.search)
    yield from _jobs(seen.jobs)
    yield from _availability(seen)


def _processes(seen: Snapshot) -> Iterator[Metric]:
    yield gauges(
        "process_up",
        "1 if the process runs and serves",
        ["process"],
        [((one.name,), one.state == "ready") for one in seen.processes],
    )
    yield counters(
        "process_restarts",
        "Times the process was started again since the node was",
        ["process"],
        [((one.name,), one.restarts) for one in seen.processes],
    )
    yield counters(
        "process_cpu_seconds",
        "Processor time that the process has used",
        ["process"],
        [((name,), used.cpu / 1000) for name, used in seen.usage.items()],
    )
    yield gauges(
        "process_memory_bytes",
        "Memory of the process that is in use (RSS)",
        ["process"],
        [((name,), used.memory) for name, used in seen.usage.items()],
    )


def _tls(tls: TlsView) -> Iterator[Metric]:
    if tls.certificate is not None:
        text = "Until the certificate for TLS ends"
        yield gauge("tls_certificate_left_seconds", text, _DAY * tls.certificate.days_left)
    if tls.authority is not None:
        text = "Until the site's certificate authority ends"
        yield gauge("tls_authority_left_seconds", text, _DAY * tls.authority.days_left)


def _search(index: SearchView) -> Iterator[Metric]:
    yield gauge("index_messages", "Messages that can be found", index.documents)
    yield gauge("index_waiting_messages", "Messages that cannot be found yet", index.waiting)
    yield gauge("index_lag_seconds", "Age of the oldest of them", index.lag / 1000)
    yield gauge("index_bytes", "Size of the index", index.size)
    yield gauge("index_damaged_partitions", "Partitions to be rebuilt", index.damaged)


def _availability(seen: Snapshot) -> Iterator[Metric]:
    yield counters(
        "probes",
        "Connections made to see whether SMTP clients are greeted",
        ["target", "result"],
        [
            ((target, result), count)
            for target, probed in seen.probed.items()
            for result, count in (("good", probed.good), ("bad", probed.bad))
        ],
    )
    yield gauges(
        "availability_ratio",
        "Share of probes that were greeted in the last days",
        ["target", "days"],
        [((one.target, str(one.days)), one.share) for one in seen.availability],
    )
    yield gauges(
        "error_budget_left_seconds",
        "What may still fail in these days for the objective of 99.9 %",
        ["target", "days"],
        [((one.target, str(one.days)), one.budget_left / 1000) for one in seen.availability],
    )


def _jobs(jobs: tuple[JobView, ...]) -> Iterator[Metric]:
    yield gauges(
        "job_ok",
        "1 if the job's last run went well, 0 if not; none before its first",
        ["job"],
        [((job.name,), job.last.outcome is Outcome.OK) for job in jobs if job.last],
    )
