"""Metrics of mail on its way in, of the queue, and of what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from appliance.control.families import by, counter, counters, gauge, gauges, histogram
from appliance.mail.views import MailView, PolicyView, QueueCounts
from appliance.monitor.snapshot import Snapshot

_AGES = ("1m", "10m", "1h", "4h", "1d", "more")


def mail_metrics(seen: Snapshot) -> Iterator[Metric]:
    """Mail, as the mail process and the spool tell."""
    if seen.queue is not None:
        yield from _queue(seen.queue)
    if seen.ages is not None:
        yield gauges(
            "queue_messages",
            "Messages in the queue, by age; each counts to 100,000",
            ["age"],
            [((age,), count) for age, count in zip(_AGES, seen.ages, strict=True)],
        )
    if seen.oldest is not None:
        text = "Age of the oldest message in the queue that is not held"
        yield gauge("queue_oldest_seconds", text, seen.oldest / 1000)
    if seen.mail is not None:
        yield from _accepted(seen.mail)
        yield from _ended(seen.mail)
        yield from _policy(seen.mail.policy)


def _queue(counts: QueueCounts) -> Iterator[Metric]:
    states = ("queued", "leased", "deferred", "held", "waiting")
    yield gauges(
        "queue_recipients",
        "Recipients in the queue",
        ["status"],
        [((status,), getattr(counts, status)) for status in states],
    )


def _accepted(mail: MailView) -> Iterator[Metric]:
    yield gauge("accepting", "1 if a client would get its 250 now", mail.accepting)
    yield gauge("uptime_seconds", "Since the mail process started", mail.uptime / 1000)
    yield counter("accepted_messages", "Messages that got 250", mail.accepted)
    yield counter("rejected_commands", "Commands and messages that got 4yz or 5yz", mail.rejected)
    yield histogram(
        "commit_seconds",
        "From the end of a message's data to its being durable as its 250 promises",
        [],
        [((), mail.commit)],
    )
    yield gauge("smtp_connections", "Open connections of clients", mail.connections)
    told = mail.reception
    yield counter("smtp_connections_admitted", "Connections of clients so far", told.admitted)
    yield counter("smtp_connections_refused", "Connections that were turned away", told.refused)
    yield counter("smtp_protocol_errors", "Commands that broke the protocol", told.faults)
    yield counters(
        "smtp_tls_sessions", "Connections of clients in TLS, by version", ["version"], by(told.tls)
    )
    yield counter("smtp_tls_failures", "Handshakes with clients that failed", told.tls_failed)
    yield counter("logins", "Logins of users", mail.logins)
    yield counter("failed_logins", "Logins refused, untried ones too", mail.failed_logins)


def _ended(mail: MailView) -> Iterator[Metric]:
    yield gauge("open_leases", "Attempts under way", mail.open_leases)
    yield counter("delivered_recipients", "Recipients delivered", mail.delivered)
    yield counter("deferred_attempts", "Attempts to be made again, by recipient", mail.deferred)
    yield counter("bounced_recipients", "Recipients refused for good", mail.bounced)
    yield counter("expired_recipients", "Recipients given up after their time", mail.expired)
    yield counter("duplicate_deliveries", "Deliveries beyond the first", mail.duplicates)
    yield counter("doubtful_attempts", "Attempts whose end nobody knows", mail.doubts)


def _policy(view: PolicyView) -> Iterator[Metric]:
    yield counters(
        "policy_refused",
        "Recipients, messages and connections by the restriction that refused them",
        ["restriction"],
        by(view.refused),
    )
    verification = view.verification
    yield counters(
        "recipient_cache",
        "Recipients to be verified, by whether an answer of their next hop was kept",
        ["result"],
        by({"hit": verification.hits, "miss": verification.misses}),
    )
    text = "Times next hops were asked about a recipient"
    yield counter("recipient_callouts", text, verification.callouts)
    text = "Those that brought neither a yes nor a no"
    yield counter("recipient_callouts_unanswered", text, verification.unanswered)
    yield gauge("recipient_cache_entries", "Answers kept", verification.cached)
    yield gauge("rates_tracked", "Clients and users of whom a rate is kept", view.tracked)
    yield counters(
        "policy_recipients",
        "Recipients by what the access list did",
        ["action"],
        by({"hold": view.held, "discard": view.discarded}),
    )
