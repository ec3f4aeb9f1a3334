"""The mail process: SMTP listeners, the spool's writer and the peer link in one loop."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec

from appliance.config.node import NodeSettings
from appliance.config.units import Endpoint
from appliance.identity.hasher import Hasher
from appliance.ipc.failover import Report
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import SERVER_CODEC
from appliance.ipc.server import serve as serve_ipc
from appliance.link.connection import LinkConnection, Refusal
from appliance.link.connection import Timing as LinkTiming
from appliance.link.identity import Identity, KeyStore
from appliance.link.transport import PeerLink
from appliance.mail.reply import Refused
from appliance.mail.views import MailView
from appliance.replica.pair import Mode, Pair, Timing
from appliance.services.clock import monotonic, wall
from appliance.services.departures import Departures
from appliance.services.mail_account import AccountDesk
from appliance.services.mail_import import Importer
from appliance.services.mail_notice import ToPostmaster
from appliance.services.mail_people import authenticator
from appliance.services.mail_policy import MailPolicy
from appliance.services.mail_site import MailSite
from appliance.services.mail_tls import MailTls, listeners, proxied_listeners
from appliance.services.peer_calls import PeerCalls
from appliance.services.process import Context
from appliance.services.standing import FailoverSide
from appliance.smtpd.server import SmtpServer
from appliance.spool.bodies import Bodies
from appliance.spool.checkpoint import Checkpointer
from appliance.spool.delivery_watch import DeliveryWatch
from appliance.spool.engine import Engine
from appliance.spool.files import PosixFiles
from appliance.spool.gate import Gate
from appliance.spool.intake import SpoolIntake
from appliance.spool.mail_socket import MailSocket
from appliance.spool.operations import Sweep
from appliance.spool.schema import open_writer
from appliance.spool.spool import CHUNK, FRAME, Spool
from appliance.spool.store import Store
from appliance.spool.view import mail_view

_SMTP_GRACE = 10.0
_HAND_OVER_PATIENCE = 3_000
# Denser than the paths' heartbeats need: progress on the link counts as one.
_LINK = LinkTiming(heartbeat=0.1, missed=40)


class _Link:
    """The peer link: its events go to the spool, and what is not the spool's to `calls`."""

    def __init__(self, spool: Spool, context: Context, identity: Identity) -> None:
        self._spool = spool
        self._emit = context.emit
        self.link = _make_link(context, identity, self)
        self.calls = PeerCalls(lambda: self.link.connection if self.link else None)

    def on_up(self, connection: LinkConnection) -> None:
        self._emit("link_up", peer=connection.peer_address)
        self._spool.link_up(connection)
        self.calls.control.linked(True)

    def on_frame(self, kind: int, payload: bytes) -> None:
        if kind in (FRAME, CHUNK):
            self._spool.link_frame(payload)
        else:
            self.calls.frame(kind, payload)

    def on_down(self, error: ConnectionLost) -> None:
        self._emit("link_down", reason=error.reason, detail=error.detail)
        self._spool.link_down()
        self.calls.control.linked(False)

    def on_refused(self, refusal: Refusal, detail: str) -> None:
        self._emit("link_refused", reason=refusal, detail=detail, hint=refusal.hint)


async def serve(context: Context) -> None:
    """Run until told to stop; raises what makes the spool fail: then a new incarnation starts."""
    layout, settings = context.layout, context.node
    identity = KeyStore(layout.keys).identity()
    content = layout.spool / "content"
    content.mkdir(exist_ok=True)
    path = str(layout.spool / "spool.db")
    connection = open_writer(path)
    _sync_directory(layout.spool)
    checkpointer = Checkpointer(connection, path)
    now = monotonic()
    store = Store(connection, identity.node_id, os.urandom(16), now)
    bodies = Bodies(PosixFiles(str(content)))
    bodies.sweep(store.holds)
    pair = Pair(_timing(settings), now, alone=identity.peer is None)
    engine = Engine(store, bodies, pair, str(settings.name), now)
    engine.on_trial = layout.trial.exists()
    gate = Gate(
        layout.spool,
        settings.disk_reserve,
        settings.pair.on_peer_loss == "refuse" and identity.peer is not None,
        lambda: pair.mode,
        monotonic,
        lambda: engine.reusable,
        lambda: engine.on_trial,
    )
    spool = Spool(engine, monotonic, context.emit, checkpointer, gate.starving)
    site = MailSite(context.site, settings, spool, context.emit)
    intake = SpoolIntake(spool, bodies, gate, site.holds)
    try:
        await _serve(context, identity, spool, intake, site, gate)
    finally:
        await spool.stop()
        checkpointer.close()
        connection.close()


def _sync_directory(directory: Path) -> None:
    """Make the names of new files durable: SQLite does not say if it could not."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _serve(
    context: Context,
    identity: Identity,
    spool: Spool,
    intake: SpoolIntake,
    site: MailSite,
    gate: Gate,
) -> None:
    settings = context.node
    tls = MailTls(context, identity, spool)
    hasher = Hasher()
    accounts = authenticator(context, identity, hasher)
    policy = MailPolicy(context, site)
    fixed = listeners(settings.smtp, settings.smtp_fixed)
    smtp = SmtpServer(
        {**fixed, **proxied_listeners(settings.smtp)},
        hostname=settings.hostname,
        limits=site.limits,
        policy=site.policy,
        intake=intake,
        emit=context.emit,
        clock=wall,
        tls_context=lambda: tls.keeper.context,
        accounts=accounts,
        guard=policy.guard,
        nodes=_nodes(settings, identity),
    )
    site.serve(smtp.configure)
    started = monotonic()
    paired_with = identity.peer.node_id if identity.peer else None

    def view() -> MailView:
        uptime = monotonic() - started
        connections, rejected = smtp.connections, smtp.rejected
        seen = mail_view(spool, intake, handler, uptime, connections, rejected, paired_with)
        seen = msgspec.structs.replace(
            seen,
            site_branches=site.branches,
            site_problem=site.problem,
            logins=accounts.logins,
            failed_logins=accounts.failures,
            policy=policy.guard.view(),
            reception=smtp.reception,
        )
        if not context.stop.is_set():
            return seen
        return msgspec.structs.replace(seen, accepting=False, reason="the node is stopping")

    scratch = context.layout.spool / "salvage"
    shutil.rmtree(scratch, ignore_errors=True)  # left by a start that did not end well
    account = AccountDesk(accounts, hasher, tls.keeper, spool, context.emit)
    importer = Importer(intake, context.site, wall)
    peer = _Link(spool, context, identity)
    link, calls = peer.link, peer.calls
    handler = MailSocket(
        spool,
        view,
        context.emit,
        scratch,
        site.socket,
        calls.control,
        importer.file,
        ToPostmaster(intake, context.site, wall).take,
        account.answer,
    )
    socket = await serve_ipc(context.layout.mail_socket, SERVER_CODEC, handler)
    spool.start()
    if link is not None:
        await link.start()
    await smtp.start()
    report = _reporter(spool, intake, link, context)
    failover = await _make_failover(context, spool, smtp, report, calls.send)
    calls.moves = failover.peer if failover else None
    kept = int(settings.keep_ended)

    def every_second() -> None:
        handler.renew()
        spool.look_at_trial(context.layout.trial)
        watch.look(monotonic())
        site.look()
        tls.look()
        spool.submit(Sweep(0 if gate.short else kept))

    watch = DeliveryWatch(spool, lambda: handler.delivery is not None)
    tasks = [asyncio.create_task(_every_second(every_second))]
    if failover is not None:
        tasks.append(asyncio.create_task(failover.run()))
    context.ready()
    stopped = asyncio.ensure_future(context.stop.wait())
    try:
        ends: tuple[asyncio.Future[Any], ...] = (stopped, spool.failed, *tasks)
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in ended:
            one.result()
        if failover is not None:
            failover.report()  # that it stops: the addresses go before the listeners do
        policy.verifier.close()
        await smtp.stop(_SMTP_GRACE)
        await _hand_over(spool, context)
    finally:
        hasher.close()
        for task in (stopped, *tasks):
            task.cancel()
        socket.close()
        if link is not None:
            await link.stop()


async def _make_failover(
    context: Context,
    spool: Spool,
    smtp: SmtpServer,
    report: Callable[[], Report],
    send: Callable[[int, bytes], bool],
) -> FailoverSide | None:
    """What moves with the virtual addresses; None where none does."""
    settings = context.node.failover
    if settings is None:
        return None
    moving = listeners(context.node.smtp, context.node.smtp_moving)
    if settings.binder == "netlink":  # clients get there only while this node holds the address
        for endpoint, listener in moving.items():
            await smtp.listen_at(endpoint, listener)
        moving = {}
    departures = Departures(smtp, cuts=settings.binder == "netlink")
    return FailoverSide(
        context.layout.failover_socket, spool, smtp, moving, report, send, departures
    )


def _reporter(
    spool: Spool, intake: SpoolIntake, link: PeerLink | None, context: Context
) -> Callable[[], Report]:
    """Says how mail is."""

    def report() -> Report:
        refused, connection = intake.refusal(), link.connection if link else None
        return Report(
            serving=not context.stop.is_set(),
            why=refused.reply.text if refused else "",
            mode=str(spool.engine.pair.mode),
            exposed=spool.engine.exposed,
            link=connection.reads if connection else 0,
            linked=link is None or connection is not None,
        )

    return report


def _nodes(settings: NodeSettings, identity: Identity) -> frozenset[str]:
    """From where the pair's nodes probe."""
    hosts = {settings.link.listen.host, *(one.host for one in settings.served)}
    hosts.update(map(str, settings.virtual))
    for path in settings.failover.paths if settings.failover is not None else ():
        hosts |= {path.listen.host, path.peer.host}
    if settings.link.peer is not None:
        hosts.add(settings.link.peer.host)
    if identity.peer is not None:
        hosts.add(Endpoint.parse(identity.peer.endpoint).host)
    return frozenset(hosts)


def _make_link(context: Context, identity: Identity, from_peer: _Link) -> PeerLink | None:
    if identity.peer is None:
        return None
    listen = context.node.link.listen
    peer = context.node.link.peer or Endpoint.parse(identity.peer.endpoint)
    source = None if ip_address(listen.host).is_unspecified else listen.host
    return PeerLink(identity, listen, peer, from_peer, random.random, source=source, timing=_LINK)


async def _every_second(do: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(1.0)
        do()


async def _hand_over(spool: Spool, context: Context) -> None:
    """Give everything to the peer, so that nothing waits for this node to come back (rule 5)."""
    if spool.engine.pair.mode is not Mode.PAIRED:
        context.emit("not_handed_over", exposed=spool.engine.exposed)
        return
    try:
        async with asyncio.timeout(2 * _HAND_OVER_PATIENCE / 1000):
            await spool.hand_over(_HAND_OVER_PATIENCE, force=True)
    except (Refused, TimeoutError) as error:
        context.emit("not_handed_over", reason=str(error), exposed=spool.engine.exposed)


def _timing(settings: NodeSettings) -> Timing:
    pair = settings.pair
    return Timing(
        head_delay=pair.head_delay,
        solo_grace=pair.solo_grace,
        no_progress=pair.no_progress,
        adopt_delay=pair.adopt_delay,
        stale_wait=pair.stale_wait,
    )
