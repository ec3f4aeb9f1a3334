"""The control process: the API's listeners, wired to the spool and the mail process."""

from __future__ import annotations

import asyncio
import secrets
from importlib.metadata import version

from appliance.config.pauses import TABLE as PAUSES
from appliance.control.backup_worker import BackupWorker
from appliance.control.backups import BackupsApi
from appliance.control.balance import BalanceApi, BalanceProcess
from appliance.control.delivery import DeliveryProcess
from appliance.control.failover_process import FailoverProcess
from appliance.control.findings import Findings
from appliance.control.helper import Helper
from appliance.control.jobs import JobsApi
from appliance.control.listen import serving
from appliance.control.machine import MachineApi
from appliance.control.mail_process import MailProcess
from appliance.control.mailbox_import import ImportApi
from appliance.control.moves import Moves
from appliance.control.node_settings import NodeSettingsApi
from appliance.control.observer import Identity, Observer
from appliance.control.own_api import OwnApi
from appliance.control.pairing import PairingApi
from appliance.control.peer import Peer
from appliance.control.peer_api import PeerApi
from appliance.control.peer_desk import PeerDesk
from appliance.control.peer_line import PeerLine
from appliance.control.people import PeopleApi
from appliance.control.reporter import Reporter
from appliance.control.reports import ReportsApi
from appliance.control.routes import RoutesApi
from appliance.control.search import SearchApi, SearchProcess
from appliance.control.server import Api, Public
from appliance.control.setup import Configured, SetupApi
from appliance.control.site import SiteApi
from appliance.control.stick_files import StickFiles
from appliance.control.tls import TlsApi
from appliance.ipc.machine import SOCKET
from appliance.link.identity import KeyStore
from appliance.services.backups import (
    RecoveryKeyBook,
    files,
    worker_command,
    worker_environment,
)
from appliance.services.clock import moment, monotonic, wall
from appliance.services.control_access import Door
from appliance.services.events import KeptEvents
from appliance.services.first_operator import enrol
from appliance.services.introductions import Introductions
from appliance.services.jobs import Surroundings, scheduler
from appliance.services.monitor import Monitor
from appliance.services.node import PROCESSES
from appliance.services.node_file import OwnFile
from appliance.services.pairing import Pairings, restart_node
from appliance.services.passwords import Passwords
from appliance.services.process import Context
from appliance.services.report import asks_own, asks_peer, report_job
from appliance.services.report_keys import ReportKeys
from appliance.services.setup import ThisMachine, clock_problem
from appliance.services.site import following, open_site, site_reader
from appliance.services.updates import serving_updates
from appliance.spool.reader import Reader
from appliance.trust.view import TlsDesk


async def serve(context: Context) -> None:
    """Run until told to stop; raises OSError if an address cannot be listened on."""
    layout, node = context.layout, context.node
    keys = KeyStore(layout.keys).identity()
    mail = MailProcess(layout.mail_socket)
    failover = FailoverProcess(layout.failover_socket) if node.failover else None
    balance = BalanceProcess(layout.balance_socket) if node.balance else None
    search = SearchProcess(layout.search_socket) if node.search.enabled else None
    delivery = DeliveryProcess(layout.delivery_socket)
    moves = Moves(failover, mail, layout.maintenance)
    reader = Reader(layout.spool, str(node.name), lambda: mail.last, monotonic)
    site = site_reader(layout, node)
    tls = TlsDesk(
        layout.keys,
        site.table,
        wall,
        lambda: secrets.token_bytes(16),
        lambda: context.site.current.domains[0],
    )
    identity = Identity(
        str(node.name),
        str(node.hostname),
        version("twinpost"),
        tuple(map(str, node.virtual)),
        keys.peer is not None,
    )
    findings = Findings()
    observer = Observer(
        identity,
        layout.spool,
        layout.run / PROCESSES,
        reader,
        mail,
        moves,
        tls,
        delivery,
        lambda: site.table(PAUSES),
        search,
        findings,
    )
    door = Door(context, lambda table: observer.read(site.table, table), mail)
    api = door.handlers
    own = OwnApi(layout.control_socket, door.vouchers)
    line = PeerLine(layout.mail_socket)
    Api(observer).add_to(api)
    pairings = Pairings(
        layout.keys,
        node.link,
        monotonic,
        lambda: restart_node(layout.lock),
        context.emit,
        Introductions(layout, lambda: context.site.current),
    )
    PairingApi(observer, pairings).add_to(api)
    peer = Peer(line, PeerDesk(line, own))
    PeerApi(peer).add_to(api)
    monitor = Monitor(context, observer, findings, peer if keys.peer else None, mail)
    monitor.add_to(api)
    SetupApi(
        Configured(identity.name, identity.hostname, identity.virtual, identity.paired),
        ThisMachine(),
        door.operators,
        lambda: context.site.current.domains,
        wall,
        clock_problem,
    ).add_to(api)
    helper = Helper(SOCKET)
    MachineApi(helper).add_to(api)
    StickFiles(helper, layout.run).add_to(api)
    SiteApi(str(node.name), observer, site, mail).add_to(api)
    NodeSettingsApi(OwnFile(layout, lambda: restart_node(layout.lock))).add_to(api)
    TlsApi(observer, tls, mail).add_to(api)
    ImportApi(observer, reader, mail, layout.run).add_to(api)
    PeopleApi(observer, site, mail, Passwords(), context.emit).add_to(api)
    BalanceApi(balance, observer, site, mail).add_to(api)
    SearchApi(search).add_to(api)
    RoutesApi(observer, lambda: open_site(layout, node).current, site, mail, delivery, wall).add_to(
        api
    )
    start = worker_command(layout.data, node.backup.keep)
    backups = BackupWorker(
        lambda what, path: [*start, what, path], worker_environment, monotonic, wall, context.emit
    )
    BackupsApi(
        node.backup,
        backups,
        files,
        observer,
        site,
        mail,
        RecoveryKeyBook(),
        wall,
        context.emit,
    ).add_to(api)
    around = Surroundings(layout, node, observer, backups, search)
    reporter = Reporter(
        node,
        version("twinpost"),
        asks_own(own),
        asks_peer(peer) if keys.peer is not None else None,
        lambda: context.site.current,
        ReportKeys(layout.keys, layout.monitor),
        layout.reports,
        wall,
    )
    ReportsApi(reporter).add_to(api)
    jobs = scheduler(around, (report_job(reporter),), moment, context.emit)
    JobsApi(jobs).add_to(api)
    findings.jobs = jobs.views
    keeping = KeptEvents(context, observer, peer if keys.peer else None)
    keeping.add_to(api)
    updates = serving_updates(context, own, peer if keys.peer is not None else None, api)
    working = asyncio.create_task(jobs.run())
    enrolling = asyncio.create_task(enrol(layout.data, door.operators))
    trusted = [network.network for network in node.http.status]
    try:
        async with (
            following(layout.mail_socket, context.site),
            line.followed(),
            keeping.running(),
            updates,
            serving(
                api.application,
                layout.control_socket,
                Public(observer, trusted).application(),
                node.http.listen,
                door.group,
            ),
            monitor.running(),
        ):
            context.ready()
            await context.stop.wait()
    finally:
        door.close()
        await pairings.close()
        await own.close()
        working.cancel()
        enrolling.cancel()
        await asyncio.wait([working, enrolling])
        await backups.close()
        mail.close()
        if failover is not None:
            failover.close()
        if balance is not None:
            balance.close()
        if search is not None:
            search.close()
        delivery.close()
        observer.close()
        reader.close()
