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

    async def switch_over(self, vrid: int | None, force: bool, *, ask: bool = False) -> str:
        """Leave addresses to the peer, or only `ask` whether it would."""

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
        """Leave the addresses of a virtual router, or of all, to the peer.

        Raises Refused, also when the peer could not serve, unless `force`.
        """
        failover = self._moving()
        await failover.switch_over(vrid, force, ask=True)
        view = await failover.view()
        if all(one.vrid == vrid or vrid is None or not _active(one.state) for one in view.routers):
            await self._hand_over(force, by)
        return await failover.switch_over(vrid, force)

    async def maintain(self, on: bool, force: bool, by: str) -> str:
        """Keep this node from holding addresses, also over restarts; or let it again.

        Raises Refused as `switch_over`.
        """
        failover = self._moving()
        await failover.maintain(on, force, ask=True)
        if on:
            await self._hand_over(force, by)
        self._remember(on)
        return await failover.maintain(on, force)

    def _moving(self) -> Failover:
        if self._failover is None:
            hint = "see [failover] in docs/settings.md"
            raise Refused(Reply(450, "4.3.0", "no address of this node moves"), hint)
        return self._failover

    async def _hand_over(self, force: bool, by: str) -> None:
        try:
            await self._mail.hand_over(_HAND_OVER, by)
        except Refused as error:
            if not force:
                hint = f"{error.hint}; --force moves the addresses all the same"
                raise Refused(error.reply, hint) from error
        except Unavailable:
            if not force:
                raise

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


def _active(state: str) -> bool:
    return state == State.ACTIVE
