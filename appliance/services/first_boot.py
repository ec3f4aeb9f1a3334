"""A machine becomes a node: the process that serves its setup, and what it writes in which order.

Crash windows. Nothing is a node before node.toml is there, which is put in place in one step and
last: whenever the power fails before, the setup comes again with what was said (setup.json), and
does anew what it had done; site.toml and first-operator.json are replaced then. After it the node
starts in full, and makes the operator of first-operator.json as soon as it can (`first_operator`).

A node that joins writes node.toml.joining before it stores the pairing, and puts it in place when
the inviter has confirmed. If the power fails in between, the setup finds both and puts it in place:
either both nodes are paired, or this one alone, and then it joins once more from the console, with
the code that is still good or a new one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from grp import getgrnam
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from appliance.backup.sealed import BadBackup
from appliance.config import ConfigError, Layout, load_node
from appliance.config.answers import Answers, RestoreAnswers
from appliance.config.introduction import Introduction, encoded
from appliance.config.new_node import joining, node_of, node_text, site_of, site_text
from appliance.config.node import NodeSettings, PathSettings
from appliance.config.units import Wrong
from appliance.control.audit import Audit
from appliance.control.first_boot import FirstBootApi, Local
from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import BadRequest
from appliance.control.installer import InstallerApi
from appliance.control.listen import serving
from appliance.control.machine import MachineApi
from appliance.control.schema_setup import FoundBackup
from appliance.decoding import from_json
from appliance.identity.credential import BadPassword, hashed, prepared
from appliance.ipc.machine import (
    SOCKET,
    Done,
    GetMachine,
    InterfaceSettings,
    MachineView,
    NetworkTrial,
    Request,
    SetClock,
    SetHostName,
    SetKeyboard,
    SetNetwork,
    SetTimeZone,
)
from appliance.link.ceremony import PairingFailed, Problem
from appliance.link.code import Mistyped, PairingCode
from appliance.link.identity import KeysDamaged, KeyStore
from appliance.link.pairing import join
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable
from appliance.monitor.events import EventLog
from appliance.services import first_restore
from appliance.services.clock import wall
from appliance.services.first_boot_state import draft
from appliance.services.first_operator import FirstOperator, pending, remember
from appliance.services.introductions import heard
from appliance.services.left_answers import set_up
from appliance.services.notify import Notifier
from appliance.services.privileges import keep_only
from appliance.services.process import die_with_parent, open_log
from appliance.services.restore import RestoreRefused
from appliance.services.setup import ThisMachine, clock_problem
from appliance.trust.files import read, remove, replace

CONSOLE_GROUP = "twinpost-console"
_SECRETS = {"administrator": "password", "join": "code", "restore": "key"}
_TRIES = 5
_BETWEEN = 2.0
"""Seconds: an interface that was just given its address needs a moment."""


def run_setup(data: Path) -> None:
    """Serve the setup until there is a node, or until told to stop."""
    die_with_parent(os.environ)
    keep_only("setup")
    notifier = Notifier.from_environment(os.environ)
    layout = Layout(data, PathSettings())
    layout.create()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with open_log(os.environ, "setup", loop) as emit:
            watched = loop.create_task(notifier.say_alive())
            try:
                await _serve(layout, emit, stop, notifier)
            finally:
                watched.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def _serve(layout: Layout, emit: EventLog, stop: asyncio.Event, notifier: Notifier) -> None:
    group, helper = console_group(), Helper(SOCKET)
    handlers = Handlers(Local(group), Audit(emit))
    founder = Foundation(layout, helper, CONSOLE_GROUP if group is not None else None, stop)
    FirstBootApi(founder, ThisMachine(), helper, wall, clock_problem).add_to(handlers)
    MachineApi(helper).add_to(handlers)
    InstallerApi(helper).add_to(handlers)
    nobody = web.Application()
    async with serving(handlers.application, layout.control_socket, nobody, (), group):
        notifier.ready()
        await set_up(layout.data, founder, emit)
        await stop.wait()


def console_group() -> int | None:
    """The group of the consoles on this machine's own screen and serial line."""
    try:
        return getgrnam(CONSOLE_GROUP).gr_gid
    except KeyError:
        return None


class Foundation:
    """Writes what makes a node (`control.first_boot.Founder`); `over` is set when it is there."""

    def __init__(
        self, layout: Layout, helper: Helper, group: str | None, over: asyncio.Event
    ) -> None:
        self._layout = layout
        self._helper = helper
        self._group = group
        self._over = over
        self._answers = layout.data / "setup.json"
        self._progress = ""

    def kept(self) -> dict[str, Any]:
        try:
            return from_json(read(self._answers) or b"{}", dict[str, Any])
        except (OSError, msgspec.DecodeError):
            return {}  # they are given once more

    def keep(self, answers: Mapping[str, Any]) -> None:
        try:
            replace(self._answers, msgspec.json.encode(_without_secrets(answers)))
        except OSError as error:
            raise _disk(error) from error

    def wrong_password(self, password: str) -> str:
        try:
            prepared(password)
        except BadPassword as error:
            return str(error)
        return ""

    def wrong_code(self, code: str) -> str:
        try:
            PairingCode.parse(code)
        except Mistyped as error:
            return str(error)
        return ""

    def wrong_backup(self, said: RestoreAnswers) -> str:
        try:
            first_restore.opened(said)
        except (Mistyped, BadBackup) as error:
            return str(error)
        except OSError as error:
            return f"{said.file}: {error.strerror}"
        return ""

    def backups(self, folders: Sequence[str]) -> Sequence[FoundBackup]:
        return first_restore.backups(map(Path, folders))

    def progress(self) -> str:
        return self._progress

    async def found(self, answers: Answers, by: str) -> str:
        if answers.administrator is not None and (
            why := self.wrong_password(answers.administrator.password)
        ):
            raise BadRequest(why, "choose another password")
        await self._set_machine(answers, by)
        try:
            if answers.join is not None:
                await self._join(answers, answers.join.code)
            elif answers.restore is not None:
                await asyncio.to_thread(self._restore, answers)
            else:
                await asyncio.to_thread(self._begin, answers)
            await asyncio.to_thread(self._finish)
        except OSError as error:
            raise _disk(error) from error
        self._over.set()
        return f"Node {answers.name} starts."

    async def _set_machine(self, answers: Answers, by: str) -> None:
        """What is the machine's own; it comes out the same when it is done twice."""
        if not self._helper.there:
            return
        machine = await self._helper.ask(GetMachine(), MachineView, by)

        async def done(request: Request) -> None:
            await self._helper.ask(request, Done, by)

        if answers.clock_step:
            await done(SetClock(wall() + answers.clock_step))
            said = {**self.kept(), "clock_step": 0}
            await asyncio.to_thread(self.keep, said)
        if answers.time_zone and answers.time_zone != machine.clock.time_zone:
            await done(SetTimeZone(answers.time_zone))
        if not machine.appliance:
            return
        if answers.keyboard and answers.keyboard != machine.keyboard:
            await done(SetKeyboard(answers.keyboard))
        await done(SetHostName(str(answers.name)))
        await self._helper.ask(SetNetwork(_interfaces(answers), trial=0), NetworkTrial, by)

    def _begin(self, answers: Answers) -> None:
        node, site = _made(answers, None, self._group)
        # Of a joining that the other node did not confirm, before somebody thought better of it.
        remove(self._layout.keys / "pair.json")
        replace(self._layout.site_toml, site.encode())
        if answers.administrator is not None:
            one = answers.administrator
            remember(self._layout.data, FirstOperator(one.name, hashed(one.password), wall()))
        replace(draft(self._layout), node_text(node).encode())

    def _restore(self, answers: Answers) -> None:
        def tell(stage: str, done: int, total: int) -> None:
            self._progress = f"{stage}, {100 * done // total} %" if total else f"{stage}, {done:,}"

        try:
            first_restore.bring_back(self._layout, answers, self._group, tell)
        except (BadBackup, Mistyped, ConfigError) as error:
            raise BadRequest(f"this backup cannot be used: {error}", "try another one") from None
        except RestoreRefused as error:
            raise Refused(Reply(450, "4.3.0", str(error)), error.hint) from error
        finally:
            self._progress = ""
        remove(pending(self._layout.data))

    async def _join(self, answers: Answers, code: str) -> None:
        assert answers.join is not None
        try:
            parsed = PairingCode.parse(code)
        except Mistyped as error:
            raise BadRequest(str(error), "type it once more, or make a new code there") from None
        own = joining(answers)
        for left in reversed(range(_TRIES)):
            try:
                await join(
                    KeyStore(self._layout.keys),
                    parsed,
                    answers.join.at,
                    own.link,
                    replacing=True,
                    source=own.link.host,
                    about=encoded(own),
                    met=lambda said: self._met(answers, heard(said)),
                )
            except PairingFailed as error:
                if error.problem is Problem.UNREACHABLE and left and self._helper.there:
                    await asyncio.sleep(_BETWEEN)
                    continue
                raise Refused(Reply(450, "4.3.0", str(error)), error.hint) from error
            except KeysDamaged as error:
                raise Unavailable(str(error), error.hint) from error
            return

    def _met(self, answers: Answers, peer: Introduction) -> None:
        """Write all but the last step; raises PairingFailed, OSError."""
        if answers.name == peer.name:
            raise PairingFailed(Problem.UNFIT, f"both are called {peer.name}")
        if peer.site is None:
            raise PairingFailed(Problem.UNFIT, "it does not say what the pair serves")
        node, site = _made(answers, peer, self._group)
        replace(self._layout.site_toml, site.encode())
        remove(pending(self._layout.data))
        replace(draft(self._layout), node_text(node).encode())

    def _finish(self) -> None:
        load_node(draft(self._layout))
        replace(self._layout.node_toml, draft(self._layout).read_bytes())  # the commit point
        remove(draft(self._layout))
        remove(self._answers)
        shutil.rmtree(first_restore.place(self._layout), ignore_errors=True)


def _made(
    answers: Answers, peer: Introduction | None, group: str | None
) -> tuple[NodeSettings, str]:
    """The node's settings and site.toml; raises PairingFailed for a peer that does not fit."""
    try:
        return node_of(answers, peer, group), site_text(site_of(answers, peer))
    except Wrong as error:
        raise PairingFailed(Problem.UNFIT, f"{error} ({error.hint})") from error
    except ConfigError as error:
        raise PairingFailed(Problem.UNFIT, str(error)) from error


def _interfaces(answers: Answers) -> tuple[InterfaceSettings, ...]:
    network, link = answers.network, answers.link
    found = [
        InterfaceSettings(
            name=str(network.interface),
            addresses=(str(network.address),),
            gateway=network.gateway,
        )
    ]
    if link is not None:
        found.append(InterfaceSettings(name=str(link.interface), addresses=(str(link.address),)))
    return tuple(found)


def _without_secrets(answers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: one for key, one in said.items() if key != _SECRETS[name]}
        if name in _SECRETS and isinstance(said, dict)
        else said
        for name, said in answers.items()
    }


def _disk(error: OSError) -> Unavailable:
    return Unavailable(f"the settings cannot be written: {error}", "look at this machine's disk")
