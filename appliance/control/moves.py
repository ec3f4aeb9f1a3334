"""Planned moves: mail is handed over first, then the addresses go; nothing is in doubt after."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from appliance.failover.router import State
from appliance.ipc.failover import FailoverView
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable

_HAND_OVER = 10_000
"""Milliseconds for deliveries under way to end; no service is missing meanwhile."""


class HandsOver(Protocol):
    """The mail process, as far as it is needed here."""

    async def hand_over(self, patience: int, by: str) -> None:
        """Give everything to the peer within `patience` ms; raises Refused, Unavailable."""


class Failover(Protocol):
    """The failover process; everything raises Unavailable, commands Refused."""

    async def view(self) -> FailoverView:
        """How it is."""

    async def switch_over(
        self, vrid: int | None, force: bool, *, ask: bool = False, here: bool = False
    ) -> str:
        """Leave addresses to the peer, or have it leave them `here`, or only `ask`."""

    async def maintain(self, on: bool, force: bool, *, ask: bool = False) -> str:
        """Hold no address, or take part again, or only `ask`."""


class Moves:
    """Moves addresses away from this node, and keeps in mind that it is in maintenance.

    `note` is the file that is there while the node is in maintenance.
    """

    def __init__(self, failover: Failover | None, mail: HandsOver, note: Path) -> None:
        """`failover` is None where no address moves."""
        self._failover = failover
        self._mail = mail
        self._note = note

    @property
    def maintenance(self) -> bool:
        """The node is in maintenance."""
        return self._note.exists()

    async def view(self) -> FailoverView | None:
        """How failover is; None if it does not answer."""
        if self._failover is None:
            return None
        try:
            return await self._failover.view()
        except Unavailable:
            return None

    async def switch_over(self, vrid: int | None, force: bool, by: str) -> str:
        """See `leave`."""
        return await leave(self._moving(), self._mail, vrid, force, by)

    async def fetch(self, vrid: int | None, force: bool) -> str:
        """Have the other node do that; raises Refused."""
        return await self._moving().switch_over(vrid, force, here=True)

    async def maintain(self, on: bool, force: bool, by: str) -> str:
        """Keep this node from holding addresses, also over restarts; or let it again.

        Raises Refused as `switch_over`.
        """
        failover = self._moving()
        await failover.maintain(on, force, ask=True)
        if on:
            await _hand_over(self._mail, force, by)
        self._remember(on)
        return await failover.maintain(on, force)

    def _moving(self) -> Failover:
        if self._failover is None:
            hint = "see [failover] in docs/settings.md"
            raise Refused(Reply(450, "4.3.0", "no address of this node moves"), hint)
        return self._failover

    def _remember(self, on: bool) -> None:
        """Durable on return."""
        if on:
            descriptor = os.open(self._note, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.fsync(descriptor)
            os.close(descriptor)
        else:
            with suppress(FileNotFoundError):
                self._note.unlink()
        directory = os.open(self._note.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


async def leave(failover: Failover, mail: HandsOver, vrid: int | None, force: bool, by: str) -> str:
    """Leave the addresses of a virtual router, or of all, to the other node.

    Raises Unavailable, and Refused, also when the other one could not serve, unless `force`.
    """
    await failover.switch_over(vrid, force, ask=True)
    active = [one.vrid for one in (await failover.view()).routers if _active(one.state)]
    if vrid is None or active == [vrid]:  # then none is left here
        await _hand_over(mail, force, by)
    return await failover.switch_over(vrid, force)


async def _hand_over(mail: HandsOver, force: bool, by: str) -> None:
    try:
        await mail.hand_over(_HAND_OVER, by)
    except Refused as error:
        if not force:
            hint = f"{error.hint}; --force moves the addresses all the same"
            raise Refused(error.reply, hint) from error
    except Unavailable:
        if not force:
            raise


def _active(state: str) -> bool:
    return state == State.ACTIVE
