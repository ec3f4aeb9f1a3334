"""Operators without a spool, and handlers that know them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count

from appliance.control.access import Access
from appliance.control.audit import Audit
from appliance.control.handlers import Handlers
from appliance.control.operator_desk import OperatorDesk
from appliance.control.operators_api import OperatorsApi
from appliance.control.own_api import Vouchers
from appliance.control.sessions import Sessions
from appliance.control.sessions_api import SessionsApi
from appliance.mail.views import Unavailable
from appliance.services.passwords import operator_throttle

IDLE = 60_000


class Registers:
    """Tables of registers; `late` holds back what is known of changes."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, bytes]] = {}
        self.up = True
        self.late = False
        self._known: dict[str, dict[str, bytes]] = {}

    async def read(self, table: str) -> Mapping[str, bytes]:
        if not self.up:
            raise Unavailable("no spool yet")
        await asyncio.sleep(0)  # others get their turn, as with a real disk
        return dict(self.tables.get(table, {}))

    def known(self, table: str) -> Mapping[str, bytes]:
        if not self.late:
            self._known = {name: dict(values) for name, values in self.tables.items()}
        return self._known.get(table, {})

    async def put_registers(
        self, values: Sequence[tuple[str, str, bytes | None]], while_alone: bool
    ) -> None:
        await asyncio.sleep(0)
        for table, key, value in values:
            if value is None:
                self.tables.setdefault(table, {}).pop(key, None)
            else:
                self.tables.setdefault(table, {})[key] = value


class Plain:
    """Passwords kept as they are, each with a salt: what hashing is worth is tested elsewhere."""

    def __init__(self) -> None:
        self._salts = count()

    def hashed(self, password: str) -> str:
        if len(password) < 8:
            raise ValueError("the password is shorter than 8 characters")
        return f"{next(self._salts)}:{password}"

    async def fits(self, known: str | None, password: str) -> bool:
        return known is not None and known.partition(":")[2] == password


class Door:
    """What `services.control_access.Door` is, with a clock and registers of the test's."""

    def __init__(self, group: int | None = None) -> None:
        self.now = 1_000_000
        self.told: list[dict[str, object]] = []
        self.registers = Registers()
        self.vouchers = Vouchers()
        registers = self.registers
        self.operators = desk = OperatorDesk(
            registers.read, registers.known, registers, Plain(), lambda: 1_700_000_000_000
        )
        sessions = Sessions(desk, lambda: self.now, IDLE)
        self.handlers = Handlers(Access(self.vouchers, sessions, group), Audit(self._emit))
        SessionsApi(desk, sessions, operator_throttle(), lambda: self.now).add_to(self.handlers)
        OperatorsApi(desk, sessions).add_to(self.handlers)

    def _emit(self, event: str, **fields: object) -> None:
        self.told.append({"event": event, **fields})
