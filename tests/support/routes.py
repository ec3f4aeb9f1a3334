"""Stand-ins for what routes are asked of: a site, registers, a delivery process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from appliance.config.document import checked
from appliance.config.site import SiteSettings
from appliance.control.routes import Values
from appliance.ipc.delivery import DeliveryView, DestinationView, HopView, MemberView
from appliance.mail.views import Unavailable

SITE = {
    "domains": ["site.test"],
    "users": {"bob": {}},
    "pools": {"out": {"members": [{"address": "192.0.2.25:25"}, {"address": "192.0.2.26:25"}]}},
    "routes": {
        "*": {"transport": "smtp", "pool": "out"},
        "example.org": {"transport": "smtp", "next_hops": ["relay.test:25"], "tls": "verify"},
        "dns.test": {"transport": "smtp", "mx": True},
        "sales@site.test": {"transport": "mailbox", "mailbox": "bob"},
    },
}
HOP = HopView(
    name="192.0.2.25:25",
    state="resting",
    rest=9000,
    reason="421 4.3.2 \x1b[2J",
    connections=3,
    idle=1,
    limit=5,
    messages_per_minute=60,
    transactions=10,
    hits=7,
    opened=3,
    failed=1,
)
DELIVERY = DeliveryView(
    hops=(HOP,),
    destinations=(
        DestinationView(
            name="pool:out",
            waiting=2,
            members=(
                MemberView(name="192.0.2.25:25", state="out", weight=1, backup=False),
                MemberView(name="192.0.2.26:25", state="up", weight=1, backup=True),
            ),
        ),
    ),
    connections=3,
    idle=1,
    transactions=10,
    hits=7,
    opened=3,
    failed=1,
)


class Registers:
    """Tables of registers; `values`, the pauses, can be written at any time."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self._tables = defaultdict[str, dict[str, bytes]](dict, pauses=self.values)

    async def put_registers(self, values: Values, while_alone: bool) -> None:
        for table, key, value in values:
            if value is None:
                del self._tables[table][key]
            else:
                self._tables[table][key] = value

    def table(self, name: str) -> Mapping[str, bytes]:
        return dict(self._tables[name])


class Delivery:
    """The delivery process."""

    def __init__(self) -> None:
        self.up = True

    async def view(self) -> DeliveryView:
        if not self.up:
            raise Unavailable("the delivery process is not there")
        return DELIVERY


def site() -> SiteSettings:
    return checked(SITE, SiteSettings, "site.toml")
