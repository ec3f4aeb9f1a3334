"""The mail process as it sees itself and its pair."""

from __future__ import annotations

from appliance.mail.views import MailView, PeerView
from appliance.mail.work import Result
from appliance.spool.intake import SpoolIntake
from appliance.spool.mail_socket import MailSocket
from appliance.spool.spool import Spool


def mail_view(
    spool: Spool,
    intake: SpoolIntake,
    handler: MailSocket,
    uptime: int,
    connections: int,
    rejected: int,
    peer: bytes | None,
) -> MailView:
    """How the mail process is now; `uptime` in milliseconds, the rest as `MailView` has it.

    `peer`: the id of the node that this one is paired with.
    """
    engine, store = spool.engine, spool.engine.store
    refused = intake.refusal()
    positions = {i.hex(): mark.seq for i, mark in engine.durable.items()}
    return MailView(
        node_id=store.node.hex(),
        incarnation=store.incarnation.hex(),
        uptime=uptime,
        mode=str(engine.pair.mode),
        mode_for=spool.mode_for,
        synced=engine.pair.synced,
        accepting=refused is None,
        reason=refused.reply.text if refused else "",
        exposed=engine.exposed,
        duplicates=store.messages.duplicates,
        doubts=store.messages.doubts,
        unapplied=store.unapplied,
        epoch=store.epoch,
        positions=positions,
        peer=None if peer is None else _peer(spool, peer),
        accepted=intake.accepted,
        rejected=rejected,
        delivered=engine.results.get(Result.DELIVERED, 0),
        deferred=engine.results.get(Result.DEFERRED, 0),
        bounced=engine.results.get(Result.BOUNCED, 0),
        expired=engine.results.get(Result.EXPIRED, 0),
        commit=intake.commit.view(),
        connections=connections,
        open_leases=len(store.open_leases()) if not spool.committing else 0,
        delivery_connected=handler.delivery is not None,
    )


def _peer(spool: Spool, node: bytes) -> PeerView:
    engine = spool.engine
    own = engine.store.incarnation
    lag = engine.durable[own].seq - engine.replication.acked.get(own, 0)
    connected = engine.replication.greeted
    return PeerView(
        name=engine.store.peer_words.name_of(node),
        node_id=node.hex(),
        connected=connected,
        last_heard_ago=spool.peer_heard_ago,
        lag=max(0, lag),
        lag_ms=engine.pair.waiting_for(spool.now),
        exposed=engine.replication.exposed_at_peer if connected else None,
    )
