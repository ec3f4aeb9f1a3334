"""Updates in the control process: what is installed, and who asks whom when the pair is updated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import aiohttp
import msgspec

from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import BadRequest, NotDone
from appliance.control.own_api import OwnApi
from appliance.control.peer import Peer
from appliance.control.received import Received
from appliance.control.roles import Role, Who
from appliance.control.roll import Roll
from appliance.control.schema import Failure
from appliance.control.schema_updates import FoundBundle, UpdateView
from appliance.control.updates import UpdatesApi
from appliance.decoding import from_json
from appliance.ipc.machine import SOCKET
from appliance.mail.views import Unavailable
from appliance.mail.visible import visible
from appliance.services.clock import wall
from appliance.services.process import Context
from bundle import install, verify
from bundle.errors import Refused
from bundle.install import Prefix
from bundle.ledger import Ledger, State
from bundle.manifest import Version
from bundle.service import PREFIX

_ROLLER = Who("the update of the pair", Role.ADMINISTRATOR)
_STICKS = Path("/media/twinpost")
_MOST_BUNDLES = 20
_NOTES = 64 << 10
_Known = dict[tuple[str, int, int], FoundBundle]


class InstalledReleases:
    """Reads what the installer has left at `prefix`; and bundles, which it verifies."""

    def __init__(self, prefix: Path, sticks: Path = _STICKS) -> None:
        self._prefix = Prefix(prefix)
        self._ledger = Ledger(prefix / "update")
        self._sticks = sticks
        self._known: _Known = {}

    def update(self) -> UpdateView | None:
        if (state := self._state()) is None:
            return None
        return UpdateView(
            phase=state.phase,
            over=state.phase.over,
            old=state.old,
            new=state.new,
            by=state.by,
            began=state.began,
            changed=state.changed,
            text=state.text,
            error=state.error,
            hint=state.hint,
        )

    def release(self) -> str:
        """The one in use, "" if none is installed here."""
        return str(self._prefix.version() or "")

    def before(self) -> str:
        state = self._state()
        if state is None or not state.before:
            return ""
        return state.before if self._prefix.has(Version.parse(state.before)) else ""

    def _state(self) -> State | None:
        try:
            return self._ledger.read()
        except (Refused, OSError):
            return None

    def bundles(self) -> Sequence[FoundBundle]:
        found = [one for one in sorted(self._sticks.glob("*/*.bundle")) if not one.is_symlink()]
        views, known = list[FoundBundle](), _Known()
        for path in found[:_MOST_BUNDLES]:
            try:
                figures = path.stat()
            except OSError:
                continue
            key = (str(path), figures.st_size, figures.st_mtime_ns)
            known[key] = self._known.get(key) or self._look(path, figures.st_size)
            views.append(known[key])
        self._known = known
        return views

    def _look(self, path: Path, size: int) -> FoundBundle:
        plain = FoundBundle(folder=str(path.parent), name=path.name, size=size)
        try:
            release, notes = self._verified(path)
        except (Refused, OSError) as error:
            hint = error.hint if isinstance(error, Refused) else "look at the stick"
            return msgspec.structs.replace(plain, problem=visible(str(error), 300), hint=hint)
        return msgspec.structs.replace(plain, release=release, notes=notes)

    def release_of(self, bundle: Path) -> str:
        try:
            return self._verified(bundle)[0]
        except Refused as error:
            raise BadRequest(str(error), error.hint) from None

    def _verified(self, bundle: Path) -> tuple[str, str]:
        """(release, notes) of a bundle that can be used here; raises Refused, OSError."""
        prefix = self._prefix
        trusted = prefix.trusted_key()
        if trusted is None:
            raise Refused("no key is trusted here yet", "install with twinpost-install.pyz")
        found = verify.verify(bundle, trusted, allow_test_key=prefix.test_key.exists())
        system = install.target()
        install.check(found.manifest, prefix.version(), system, allow_downgrade=False)
        notes = verify.content(found, "CHANGELOG.md", _NOTES).decode("utf-8", "replace")
        return str(found.manifest.version), notes


def rolls_own(own: OwnApi) -> Callable[[str, str, bytes], Awaitable[bytes]]:
    """Asks this node for the update of the pair."""

    async def ask(method: str, path: str, body: bytes) -> bytes:
        try:
            async with own.request(method, path, body, _ROLLER) as response:
                said = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the control API does not answer: {error}") from error
        if response.status >= 300:
            try:
                failure = from_json(said, Failure)
            except msgspec.DecodeError:
                raise Unavailable(f"{path}: {response.status}") from None
            raise NotDone(failure.error, failure.hint)
        return said

    return ask


def rolls_peer(peer: Peer) -> Callable[[str, str, bytes], Awaitable[bytes]]:
    """Asks the other node for it."""

    async def ask(method: str, path: str, body: bytes) -> bytes:
        return await peer.request(method, path, body, _ROLLER)

    return ask


@asynccontextmanager
async def serving_updates(
    context: Context, own: OwnApi, peer: Peer | None, handlers: Handlers
) -> AsyncIterator[None]:
    """The API of updates; an update of the pair goes on as long as this lasts."""
    folder = context.layout.incoming
    folder.mkdir(mode=0o700, exist_ok=True)
    received, roll = Received(folder), None
    if peer is not None:
        asks = (rolls_own(own), rolls_peer(peer))
        roll = Roll(folder / "roll.json", received, *asks, wall, context.emit)
    name, release = str(context.node.name), version("twinpost")
    installed, helper = InstalledReleases(PREFIX), Helper(SOCKET)
    UpdatesApi(name, release, installed, helper, received, roll).add_to(handlers)
    working = asyncio.create_task(roll.run()) if roll is not None else None
    try:
        yield
    finally:
        if working is not None:
            working.cancel()
            await asyncio.wait([working])
