"""Who may call the control API: operators, their sessions and the audit, wired together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from grp import getgrnam

from appliance.config import ConfigError
from appliance.config.document import Problem
from appliance.control.access import Access
from appliance.control.audit import Audit
from appliance.control.handlers import Handlers
from appliance.control.operator_desk import OperatorDesk, Writes
from appliance.control.operators_api import OperatorsApi
from appliance.control.own_api import Vouchers
from appliance.control.sessions import Sessions
from appliance.control.sessions_api import SessionsApi
from appliance.identity.hasher import Hasher
from appliance.services.clock import monotonic, wall
from appliance.services.passwords import OperatorPasswords, operator_throttle
from appliance.services.process import Context


class Door:
    """`handlers` for the parts of the API to add theirs; `group` may connect to the socket."""

    def __init__(
        self,
        context: Context,
        read: Callable[[str], Awaitable[Mapping[str, bytes]]],
        mail: Writes,
    ) -> None:
        """`read` reads a table of registers. Raises ConfigError."""
        self.group = _group(context.node.console.group, str(context.layout.node_toml))
        self.vouchers = Vouchers()
        self._hasher = Hasher()
        passwords = OperatorPasswords(self._hasher)
        self.operators = desk = OperatorDesk(read, context.site.registers, mail, passwords, wall)
        sessions = Sessions(desk, monotonic, int(context.node.console.idle))
        access = Access(self.vouchers, sessions, self.group)
        self.handlers = Handlers(access, Audit(context.emit))
        SessionsApi(desk, sessions, operator_throttle(), monotonic).add_to(self.handlers)
        OperatorsApi(desk, sessions).add_to(self.handlers)

    def close(self) -> None:
        """Try no more passwords."""
        self._hasher.close()


def _group(name: str | None, file: str) -> int | None:
    try:
        return None if name is None else getgrnam(name).gr_gid
    except KeyError:
        hint = f"make it: groupadd --system {name}"
        problem = Problem(file, "console.group", f"there is no group {name}", hint)
        raise ConfigError([problem]) from None
