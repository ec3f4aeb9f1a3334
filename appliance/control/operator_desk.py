"""Reads and changes the site's operators; somebody who can change everything always remains."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from appliance.control.http import BadRequest
from appliance.control.operators import (
    DISABLED,
    PASSWORDS,
    ROLES,
    TABLES,
    Operator,
    Password,
    administrators,
    operator,
    operators,
    valid,
)
from appliance.control.roles import Role
from appliance.mail.reply import Refused, Reply

Values = Sequence[tuple[str, str, bytes | None]]


class Writes(Protocol):
    """The mail process. Raises `Unavailable` when it does not answer, and `Refused`."""

    async def put_registers(self, values: Values, while_alone: bool) -> None:
        """Write registers (table, key, value), all or none; None deletes."""


class Hashes(Protocol):
    """Makes verifiers of passwords, and tries passwords."""

    def hashed(self, password: str) -> str:
        """A verifier; takes its time. Raises ValueError for a password that can't be set."""

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether it is that password; nothing is that of nobody. Raises `Unavailable`."""


class OperatorDesk:
    """One change after the other.

    `read` reads a table of registers and raises `Unavailable`; `known` is what is known of it
    without reading.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[Mapping[str, bytes]]],
        known: Callable[[str], Mapping[str, bytes]],
        commands: Writes,
        hashes: Hashes,
        wall: Callable[[], int],
    ) -> None:
        self._read = read
        self._known = known
        self._commands = commands
        self._hashes = hashes
        self._wall = wall
        self._turn = asyncio.Lock()

    def glance(self, name: str) -> Operator | None:
        """The operator as last heard, without reading."""
        return operator({table: self._known(table) for table in TABLES}, name)

    async def all(self) -> dict[str, Operator]:
        """As they are, by name; raises Unavailable."""
        return operators({table: await self._read(table) for table in TABLES})

    async def fits(self, who: Operator | None, password: str) -> bool:
        """Whether it is the password of an operator who can log in; raises Unavailable."""
        usable = who is not None and who.active and who.password is not None
        known = who.password.argon2 if who and who.password and usable else None
        return await self._hashes.fits(known, password)

    async def add(self, name: str, role: Role, password: str, while_alone: bool) -> None:
        """Raises BadRequest, Refused, Unavailable."""
        if not valid(name):
            hint = "a letter, then up to 31 letters, digits, dots, dashes: all lower case"
            raise BadRequest("no operator can be called so", hint)
        kept = await self._kept(password)
        async with self._turn:
            if name in await self.all():
                raise _refused(f"there is an operator {name} already", "choose another name")
            values = (
                (ROLES, name, role.encode()),
                (PASSWORDS, name, kept),
                (DISABLED, name, None),
            )
            await self._commands.put_registers(values, while_alone)

    async def first(self, name: str, argon2: str, set_at: int) -> None:
        """Make an administrator if there is nobody yet. Raises Refused, Unavailable."""
        kept = msgspec.msgpack.encode(Password(argon2, set_at))
        async with self._turn:
            if not await self.all():
                values = ((ROLES, name, Role.ADMINISTRATOR.encode()), (PASSWORDS, name, kept))
                await self._commands.put_registers(values, while_alone=True)

    async def password(self, name: str, password: str, while_alone: bool) -> Operator:
        """Set another one; the operator as it is then. Raises LookupError too."""
        kept = await self._kept(password)
        async with self._turn:
            await self._of(name)
            await self._commands.put_registers(((PASSWORDS, name, kept),), while_alone)
            return await self._of(name)

    async def role(self, name: str, role: Role, while_alone: bool) -> None:
        """Give another one."""
        async with self._turn:
            await self._of(name)
            if role is not Role.ADMINISTRATOR:
                await self._spare(name)
            await self._commands.put_registers(((ROLES, name, role.encode()),), while_alone)

    async def disable(self, name: str, by: str, while_alone: bool) -> None:
        """Let the operator log in no more."""
        async with self._turn:
            await self._of(name)
            await self._spare(name)
            await self._commands.put_registers(((DISABLED, name, by.encode()),), while_alone)

    async def enable(self, name: str, while_alone: bool) -> None:
        """Let the operator log in again."""
        async with self._turn:
            await self._of(name)
            await self._commands.put_registers(((DISABLED, name, None),), while_alone)

    async def remove(self, name: str, while_alone: bool) -> None:
        """Forget the operator."""
        async with self._turn:
            await self._of(name)
            await self._spare(name)
            values = tuple((table, name, None) for table in TABLES)
            await self._commands.put_registers(values, while_alone)

    async def _of(self, name: str) -> Operator:
        try:
            return (await self.all())[name]
        except KeyError:
            raise LookupError(f"there is no operator {name}") from None

    async def _spare(self, name: str) -> None:
        """Raises Refused if nobody else could change everything."""
        if administrators((await self.all()).values()) == {name}:
            raise _refused(f"{name} is the last administrator", "make another one first")

    async def _kept(self, password: str) -> bytes:
        try:
            hashed = await asyncio.to_thread(self._hashes.hashed, password)
        except ValueError as error:
            raise BadRequest(str(error), "choose another one, or let one be generated") from None
        return msgspec.msgpack.encode(Password(hashed, self._wall()))


def _refused(what: str, hint: str) -> Refused:
    return Refused(Reply(450, "4.3.0", what), hint)
