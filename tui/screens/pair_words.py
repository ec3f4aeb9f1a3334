"""How the two nodes stand to one another, in words."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from appliance.control.schema import Status
from appliance.control.schema_pair import Attempt, InvitationView, PairView
from appliance.ipc.failover import FailoverView, PathView, RouterView
from appliance.mail.figures import counted, time_text
from appliance.mail.views import MailView
from tui.text import EMPTY, LINE, foreign, join, lines


def facts_text(status: Status, view: PairView | None) -> Content:
    """The peer, the mode, the virtual routers and the heartbeat paths of a node."""
    told = []
    if view is not None and view.peer is None:
        told.append(_fact("other node", Content.assemble(("▲ not paired yet", "$warning"))))
    if status.mail is not None:
        told += _mail(status.mail, view)
    if status.failover is None:
        told.append(_fact("addresses", Content("no address moves here")))
    else:
        told += _failover(status.failover)
    return lines(told)


def pairing_text(attempt: Attempt | None, invitation: InvitationView | None) -> Content:
    """The code that is good now and where it is to be typed, or what pairing came to."""
    if attempt is None:
        return EMPTY
    if attempt.state != "waiting":
        return lines([EMPTY, _fact("pairing", _outcome(attempt))])
    told = []
    if invitation is not None:
        told = [
            _fact("", Content("On the other node, at its first boot or its screen Pair (j):")),
            _fact("address", foreign(invitation.at, 80, "bold $accent")),
            _fact("code", foreign(invitation.code, 200, "bold $accent")),
        ]
    tries = counted(attempt.tries_left or 0, "try", "tries")
    left = f"for {time_text(attempt.expires_in or 0)} and {tries} more"
    return lines([EMPTY, *told, _fact("good", Content(left))])


def _mail(mail: MailView, view: PairView | None) -> Iterator[Content]:
    if mail.peer is not None:
        yield _fact("other node", _peer(mail, view))
    style = "bold" if mail.mode == "paired" else "bold $warning"
    mode = foreign(mail.mode, 20, style)
    yield _fact("mode", Content.assemble(mode, f" for {time_text(mail.mode_for)}"))
    told = [counted(mail.duplicates, "duplicate"), counted(mail.doubts, "doubtful attempt")]
    if mail.site_branches:
        told.append(f"{counted(mail.site_branches, 'version')} of the settings to settle")
    yield _fact("certainty", Content(", ".join(told)))


def _peer(mail: MailView, view: PairView | None) -> Content:
    peer = mail.peer
    assert peer is not None
    at = view.peer.endpoint if view is not None and view.peer is not None else ""
    where = Content.assemble(" at ", foreign(at, 60)) if at else EMPTY
    name = foreign(peer.name, 40, "bold") if peer.name else Content("never heard")
    if not peer.connected:
        return Content.assemble(name, where, ("  ▲ link not connected", "$warning"))
    lag = f"{counted(peer.lag, 'record')} behind" if peer.lag else "level"
    return Content.assemble(name, where, f"  link connected, {lag}")


def _failover(failover: FailoverView) -> Iterator[Content]:
    if failover.maintenance:
        told = ("▲ this node holds no address", "$warning")
        yield _fact("maintenance", Content.assemble(told))
    for router in failover.routers:
        yield _fact(f"router {router.vrid}", _router(router))
    for path in failover.paths:
        yield _fact("heartbeat", _path(path))
    for other in failover.foreign:
        who = foreign(other.hardware, 40)
        what = (foreign(other.address, 45), " is answered by ", who, ", too")
        yield _fact("foreign", Content.assemble(("✖ ", "$error"), *what))


def _router(router: RouterView) -> Content:
    state = Content.assemble((router.state, "bold $success" if router.held else "bold"))
    held = join([foreign(address, 45) for address in router.addresses], ", ")
    since = f" for {time_text(router.since)}, priority {router.priority}"
    if router.priority == router.configured:
        return Content.assemble(state, since, "  ", held)
    less = Content.assemble(f" of {router.configured}: ", foreign(router.why, 120))
    return Content.assemble(state, since, less, "  ", held)


def _path(path: PathView) -> Content:
    sign = ("● heard", "$success") if path.alive else ("✖ not heard", "$error")
    error = Content.assemble(": ", foreign(path.error, 120)) if path.error else EMPTY
    ends = (foreign(path.listen, 50), " ↔ ", foreign(path.peer, 50), "  ")
    return Content.assemble(*ends, sign, error)


def _outcome(attempt: Attempt) -> Content:
    if not attempt.error:
        return foreign(attempt.state, 20)
    hint = Content.assemble(" → ", foreign(attempt.hint, LINE)) if attempt.hint else EMPTY
    return Content.assemble(("✖ ", "$error"), foreign(attempt.error, LINE), hint)


def _fact(label: str, content: Content) -> Content:
    return Content.assemble((f"{label:<13}", "$quiet"), content)
