"""The update of a pair: asks both nodes, decides (`roll_steps`), has it done, and remembers.

It runs in the control process of the node where it was begun, and goes on there after each restart:
where it is stands in a file, and everything else is asked for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from appliance.control.http import Failed, NotDone
from appliance.control.received import Received
from appliance.control.roll_steps import (
    Facts,
    Finished,
    Send,
    Start,
    Step,
    Stop,
    Wait,
    first_of,
    next_step,
)
from appliance.control.schema import API
from appliance.control.schema_updates import (
    BundlePart,
    ChosenBundle,
    RollView,
    Updates,
    UpdateView,
)
from appliance.decoding import from_json
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event

Ask = Callable[[str, str, bytes], Awaitable[bytes]]
"""Calls the control API of a node: method, path, body. Raises Unavailable, Failed, Refused,
LookupError, as the API's client does."""
_EVERY = 1.0
_PATIENCE = 900.0
"""Seconds for which it waits for one and the same thing."""
_PART = 512 << 10


class _Process(msgspec.Struct):
    state: str


class _Address(msgspec.Struct):
    here: bool


class _Status(msgspec.Struct):
    """Of /v1/status what is needed here: the other node may have another release's."""

    mode: str
    processes: tuple[_Process, ...]
    virtual: tuple[_Address, ...]


class Roll:
    """At most one at a time; `ask_own` and `ask_peer` ask the nodes."""

    def __init__(
        self,
        note: Path,
        received: Received,
        ask_own: Ask,
        ask_peer: Ask,
        wall: Callable[[], int],
        emit: Emit,
    ) -> None:
        """`note`: where it remembers; `wall` in milliseconds."""
        self._note = note
        self._received = received
        self._ask = {"own": ask_own, "peer": ask_peer}
        self._wall = wall
        self._emit = emit
        self.view = self._read()
        self._wake = asyncio.Event()

    def begin(self, release: str, bundle: str, by: str) -> RollView:
        """Update the pair to `release` from the bundle with that digest, which is here."""
        if self.view is not None and self.view.phase == "running":
            raise NotDone("the pair is being updated", "see `twinpost update status`")
        began = self._wall() // 1000
        self._set(RollView(phase="running", release=release, bundle=bundle, by=by, began=began))
        self._wake.set()
        assert self.view is not None
        return self.view

    def stop(self) -> RollView:
        """Begin nothing more; what is under way on a node goes on to its end."""
        if self.view is None or self.view.phase != "running":
            raise NotDone("the pair is not being updated", "see `twinpost update status`")
        self._end("stopped", "an operator stopped it", "it can be begun again")
        return self.view

    async def run(self) -> None:
        """Work until cancelled."""
        loop, since, said = asyncio.get_running_loop(), 0.0, ""
        while True:
            if self.view is None or self.view.phase != "running":
                self._wake.clear()
                await self._wake.wait()
                since, said = loop.time(), ""
            try:
                step = await self._step()
            except (Unavailable, Failed, Refused, LookupError, OSError, TimeoutError) as error:
                step = Wait(str(error))
            if isinstance(step, Wait) and step.text == said and loop.time() - since > _PATIENCE:
                self._end("stopped", f"{step.text}: it does not come about", "see both nodes")
            text = step.text if isinstance(step, Wait) else ""
            if text != said:
                since, said = loop.time(), text
            await asyncio.sleep(_EVERY)

    async def _step(self) -> Step:
        own, peer = await self._facts("own"), await self._facts_of_peer()
        assert self.view is not None
        nodes = {one.updates.node: one.updates.release for one in (own, peer) if one is not None}
        first = self.view.first or (first_of(own, peer) if peer is not None else "")
        self._set(msgspec.structs.replace(self.view, nodes=nodes, first=first))
        step = next_step(self.view, own, peer)
        match step:
            case Wait(text):
                self._set(msgspec.structs.replace(self.view, text=text))
            case Send():
                await self._send()
            case Start(name):
                await self._start(name, "own" if name == own.updates.node else "peer")
            case Stop(error, hint):
                self._end("stopped", error, hint)
            case Finished():
                self._end("done", "", "")
        return step

    async def _facts_of_peer(self) -> Facts | None:
        try:
            return await self._facts("peer")
        except (Unavailable, TimeoutError):
            return None

    async def _facts(self, which: str) -> Facts:
        ask = self._ask[which]
        async with asyncio.timeout(30):
            status = from_json(await ask("GET", f"{API}/status", b""), _Status)
            said = await ask("GET", f"{API}/machine/updates", b"")
        return Facts(
            from_json(said, Updates),
            status.mode,
            all(one.state == "ready" for one in status.processes),
            any(one.here for one in status.virtual),
        )

    async def _send(self) -> None:
        """The bundle goes over the link: whoever has one stick goes to one node."""
        assert self.view is not None
        path, digest = self._received.path, self.view.bundle
        size = path.stat().st_size
        with path.open("rb") as file:
            for offset in range(0, size, _PART):
                data = await asyncio.to_thread(file.read, _PART)
                share = f"sending the bundle to the other node: {100 * offset // size} %"
                self._set(msgspec.structs.replace(self.view, text=share))
                part = BundlePart(digest=digest, size=size, offset=offset, data=data)
                body = msgspec.json.encode(part)
                await self._ask["peer"]("POST", f"{API}/machine/updates/part", body)

    async def _start(self, name: str, which: str) -> None:
        assert self.view is not None
        body = msgspec.json.encode(ChosenBundle())
        try:
            said = await self._ask[which]("POST", f"{API}/machine/updates/start", body)
        except (Failed, Refused, LookupError) as error:  # it will say the same again
            hint = getattr(error, "hint", "")
            self._end("stopped", f"{name}: {error}", hint or "see both nodes")
            return
        began = from_json(said, UpdateView).began
        started = {**self.view.started, name: began}
        text = f"{name} is being updated"
        self._set(msgspec.structs.replace(self.view, started=started, text=text))

    def _end(self, phase: str, error: str, hint: str) -> None:
        assert self.view is not None
        text = f"both nodes run release {self.view.release}" if phase == "done" else ""
        self._set(
            msgspec.structs.replace(self.view, phase=phase, error=error, hint=hint, text=text)
        )

    def _set(self, view: RollView) -> None:
        """Durable on return."""
        before, self.view = self.view, view
        if view == before:
            return
        draft = self._note.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(view))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(self._note)
        if before is None or (before.phase, before.started) != (view.phase, view.started):
            self._emit(
                Event.ROLL,
                phase=view.phase,
                release=view.release,
                by=view.by,
                text=view.text,
                error=view.error,
            )

    def _read(self) -> RollView | None:
        try:
            return from_json(self._note.read_bytes(), RollView)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
