"""Pairing as the control process does it (`control.pairing.Pairings`)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.config import ConfigError
from appliance.config.node import LinkSettings
from appliance.config.units import NumericEndpoint, Wrong
from appliance.control.http import BadRequest
from appliance.control.schema_pair import Attempt, InvitationView, PairPeer
from appliance.link.ceremony import Limits, PairingFailed, Problem
from appliance.link.code import Mistyped, PairingCode
from appliance.link.identity import KeysDamaged, KeyStore, Peer
from appliance.link.pairing import Inviting, join, start_pairing
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event
from appliance.services.introductions import Introductions
from appliance.services.supervise import holder

_TOLD = 1.0
"""Seconds for whoever asks to hear of it, before the services start anew."""


@dataclass
class _Open:
    inviting: Inviting
    replacing: bool
    until: int
    waiting: asyncio.Task[None]


class Pairings:
    """One invitation at a time. `clock`: running milliseconds; `restart` has new keys used."""

    def __init__(
        self,
        keys: Path,
        link: LinkSettings,
        clock: Callable[[], int],
        restart: Callable[[], object],
        emit: Emit,
        introductions: Introductions,
        limits: Limits | None = None,
    ) -> None:
        self.listen = str(link.pairing)
        self._store = KeyStore(keys)
        self._link = link
        self._clock = clock
        self._restart = restart
        self._emit = emit
        self._introductions = introductions
        self._limits = limits or Limits()
        self._open: _Open | None = None
        self._last: Attempt | None = None
        self._turn = asyncio.Lock()

    def standing(self) -> tuple[str, PairPeer | None]:
        try:
            identity = self._store.identity()
        except (KeysDamaged, OSError) as error:
            raise _damaged(error) from error
        return identity.node_id.hex(), _peer(identity.peer) if identity.peer else None

    def attempt(self) -> Attempt | None:
        found = self.invitation()
        if self._open is None or found is None:
            return self._last
        return Attempt(
            kind="invite",
            state="waiting",
            replacing=self._open.replacing,
            expires_in=found.expires_in,
            tries_left=found.tries_left,
        )

    def invitation(self) -> InvitationView | None:
        if self._open is None:
            return None
        return InvitationView(
            code=self._open.inviting.code,
            at=self.listen,
            expires_in=max(0, self._open.until - self._clock()),
            tries_left=self._open.inviting.tries_left,
        )

    async def invite(self, replacing: bool) -> InvitationView:
        async with self._turn:
            await self._close()
            try:
                inviting = await start_pairing(
                    self._store,
                    self._link.pairing,
                    self._link.listen,
                    replacing=replacing,
                    limits=self._limits,
                    about=self._introductions.inviting(),
                    met=self._introductions.met,
                )
            except PairingFailed as error:
                raise _refused(error) from error
            except (KeysDamaged, ConfigError, OSError) as error:
                raise _damaged(error) from error
            waiting = asyncio.get_running_loop().create_task(self._wait(inviting, replacing))
            until = self._clock() + int(self._limits.lifetime * 1000)
            self._open = _Open(inviting, replacing, until, waiting)
            found = self.invitation()
            assert found is not None
            return found

    async def cancel(self) -> None:
        async with self._turn:
            await self._close()

    async def join(self, code: str, at: str, replacing: bool) -> PairPeer:
        try:
            parsed, address = PairingCode.parse(code), NumericEndpoint.parse(at)
        except Mistyped as error:
            raise BadRequest(str(error), "type it once more, or make a new code there") from None
        except Wrong as error:
            raise BadRequest(f"address {error}", error.hint) from None
        async with self._turn:
            await self._close()
            self._last = Attempt(kind="join", state="joining", replacing=replacing)
            listen = self._link.listen
            try:
                paired = await join(
                    self._store,
                    parsed,
                    address,
                    listen,
                    replacing=replacing,
                    source=listen.host,
                    about=self._introductions.joining(),
                    met=self._introductions.met,
                )
            except PairingFailed as error:
                self._failed("join", replacing, error)
                raise _refused(error) from error
            except (KeysDamaged, ConfigError, OSError) as error:
                self._failed("join", replacing, error)
                raise _damaged(error) from error
            self._paired("join", replacing, paired.peer)
            return _peer(paired.peer)

    async def close(self) -> None:
        """Wait for nobody any more."""
        await self._close()

    async def _wait(self, inviting: Inviting, replacing: bool) -> None:
        try:
            paired = await inviting.wait()
        except (PairingFailed, OSError) as error:
            self._failed("invite", replacing, error)
        else:
            self._paired("invite", replacing, paired.peer)
        self._open = None

    async def _close(self) -> None:
        if self._open is not None:
            waiting = self._open.waiting
            await self._open.inviting.close()
            await asyncio.wait([waiting])

    def _failed(self, kind: str, replacing: bool, error: Exception) -> None:
        hint = error.hint if isinstance(error, PairingFailed | KeysDamaged) else ""
        if isinstance(error, PairingFailed) and error.problem is Problem.CANCELLED:
            self._last = None
            return
        self._last = Attempt(
            kind=kind, state="failed", replacing=replacing, error=str(error), hint=hint
        )
        self._emit(Event.NOT_PAIRED, kind=kind, reason=str(error), hint=hint)

    def _paired(self, kind: str, replacing: bool, peer: Peer) -> None:
        self._last = Attempt(kind=kind, state="paired", replacing=replacing)
        self._emit(Event.PAIRED, kind=kind, peer=peer.node_id.hex(), endpoint=peer.endpoint)
        asyncio.get_running_loop().call_later(_TOLD, self._restart)


def restart_node(lock: Path) -> bool:
    """Have the running node start its services anew; False if none runs."""
    pid = holder(lock)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
    return True


def _peer(peer: Peer) -> PairPeer:
    return PairPeer(node_id=peer.node_id.hex(), endpoint=peer.endpoint)


def _refused(error: PairingFailed) -> Refused:
    return Refused(Reply(450, "4.3.0", str(error)), error.hint)


def _damaged(error: KeysDamaged | ConfigError | OSError) -> Unavailable:
    if isinstance(error, KeysDamaged):
        return Unavailable(str(error), error.hint)
    hint = "check [link] pairing in node.toml, and that no other pairing is under way"
    return Unavailable(str(error), hint)
