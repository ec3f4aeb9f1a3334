"""An authenticator with users in memory."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.config.live import Site
from appliance.config.site import SiteSettings, User
from appliance.identity.authenticator import Authenticator
from appliance.identity.credential import CREDENTIALS, encoded, made
from appliance.identity.hasher import Hasher
from appliance.identity.people import People
from appliance.identity.throttle import Throttle
from appliance.monitor.events import Event

ANN = "correct horse battery"


class Registers:
    """The registers of the site, as a node reads them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, bytes]] = {
            CREDENTIALS: {"ann": encoded(made(ANN, 0)), "gone": encoded(made(ANN, 0))}
        }

    def read(self, table: str) -> Mapping[str, bytes]:
        return self.tables.get(table, {})


class World:
    """Ann has a password, bob has none; `emitted` are (event, fields)."""

    def __init__(self) -> None:
        self.registers = Registers()
        self.site = Site(
            msgspec.convert(
                {
                    "domains": ["site.test", "second.test"],
                    "users": {"ann": {"may_send_as": ["info@site.test", "@lab.test"]}, "bob": {}},
                },
                SiteSettings,
                dec_hook=lambda kind, value: kind.parse(value),
            ),
            self.registers.read,
        )
        self.now = 0
        self.emitted: list[tuple[Event, dict[str, object]]] = []
        self.hasher = Hasher(rest=0)
        self.people = People(self.site)
        self.authenticator = Authenticator(
            self.people, Throttle(), self.hasher, lambda: self.now, b"secret", self._emit
        )

    def change(self, **users: User) -> None:
        """Another document."""
        self.site.changed(msgspec.structs.replace(self.site.current, users=users))

    def _emit(self, event: Event, queue_id: str = "", **fields: object) -> None:
        self.emitted.append((event, fields))
