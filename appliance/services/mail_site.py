"""The site in the mail process: who is told of its changes, and how it gets its first version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_network

from appliance.config import NodeSettings
from appliance.config.limits import Limits
from appliance.config.site import SiteSettings
from appliance.config.site_document import encoded
from appliance.mail.aliases import Aliases
from appliance.mail.route import Bounce, Hold, Routes
from appliance.monitor.events import Emit, Event
from appliance.services.clock import wall
from appliance.services.site import StoredSite, own_hops
from appliance.smtpd.policy import Policy
from appliance.spool.operations import SeedSite
from appliance.spool.site_socket import SiteSocket
from appliance.spool.spool import Spool

_SHORT = 10
"""Digits of an id in a log line."""


class MailSite:
    """Hands each change on: to SMTP sessions, to the other processes, to the log."""

    def __init__(self, site: StoredSite, node: NodeSettings, spool: Spool, emit: Emit) -> None:
        self._site = site
        self._own = own_hops(node)
        self._spool = spool
        self._emit = emit
        self._routes = self._table(site.current)
        self._aliases = Aliases(site.current.expansion())
        self._first = self._seed()
        self.socket = SiteSocket(spool, wall, self._table, lambda: self.problem, emit)
        site.watch(self._changed)
        spool.on_site = self._move_soon

    @property
    def limits(self) -> Limits:
        """What clients may ask."""
        return self._site.current.limits

    @property
    def policy(self) -> Policy:
        """Who may send to whom."""
        networks = [ip_network(network) for network in self._site.current.relay.networks]
        return Policy(self._routes, networks, self._aliases)

    @property
    def problem(self) -> str:
        """Why the head is not applied, "" if it is."""
        return self._site.state.problem if self._site.state else ""

    @property
    def branches(self) -> int:
        """Versions that wait to be settled."""
        return len(self._site.state.branches) if self._site.state else 0

    @property
    def routes(self) -> Routes:
        """Where mail goes."""
        return self._routes

    def aliased(self, address: str) -> bool:
        """Whether `address` is an alias."""
        return bool(self._aliases.targets(address))

    def listed(self, address: str) -> bool:
        """Whether there is somebody at `address`, as far as this node knows."""
        return self.aliased(address) or not isinstance(
            self._routes.resolve(address).transport, Bounce
        )

    def holds(self, address: str) -> bool:
        """Whether mail for the address is put on hold."""
        return isinstance(self._routes.resolve(address).transport, Hold)

    def serve(self, configure: Callable[[Limits, Policy], None]) -> None:
        """From now on give limits and policy to the SMTP server, too."""
        self._site.watch(lambda settings: configure(self.limits, self.policy))

    def look(self) -> None:
        """About once a second: let site.toml be the first version where there is none yet."""
        if self._first is not None:
            if len(self._spool.engine.store.site.lineage):
                self._first = None
            else:
                self._spool.submit(self._first)

    def _seed(self) -> SeedSite | None:
        """What site.toml said when this process started, if it says anything that counts."""
        said, state = self._site.file(), self._site.state
        if state is not None and state.head is not None:
            if said is not None and said != state.settings:
                self._emit(
                    Event.SITE_FILE_IGNORED,
                    version=state.head.number,
                    hint="site.toml is only the first version: `twinpost config import` it",
                )
            return None
        return SeedSite(encoded(said)) if said is not None else None

    def _table(self, settings: SiteSettings) -> Routes:
        return settings.table(self._own)

    def _changed(self, settings: SiteSettings) -> None:
        self._routes = self._table(settings)
        self._aliases = Aliases(settings.expansion())

    def _move_soon(self, tables: frozenset[str]) -> None:
        # Not in the midst of what the spool does: whoever hears of a change may ask it something.
        asyncio.get_running_loop().call_soon(self._moved, tables)

    def _moved(self, tables: frozenset[str]) -> None:
        before = self._site.state
        self._site.refresh(tables)
        after = self._site.state
        self.socket.moved(tables)
        if after is None or after.head is None or after == before:
            return
        head = after.head
        self._emit(
            Event.SITE_CHANGED,
            version=head.number,
            version_id=head.id.hex()[:_SHORT],
            by=head.author,
            comment=head.comment,
        )
        if len(after.branches) > (len(before.branches) if before else 0):
            branch = after.branches[0]
            self._emit(
                Event.SITE_BRANCHED,
                version=branch.number,
                version_id=branch.id.hex()[:_SHORT],
                by=branch.author,
                hint="`twinpost config diff` shows what it says, `config settle` ends it",
            )
        if after.problem:
            self._emit(Event.SITE_NOT_APPLIED, version=head.number, reason=after.problem)
