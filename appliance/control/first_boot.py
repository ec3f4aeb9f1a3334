"""The control API of a machine that is no node yet: answers are taken, checked, and made one."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from aiohttp import web

from appliance.config import ConfigError
from appliance.config.answers import Answers, RestoreAnswers
from appliance.config.document import checked
from appliance.config.units import NumericEndpoint
from appliance.control.access import credentials, groups, node_user, user_name
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import WHO, BadRequest, Failed, Forbidden, as_json, decoded, user
from appliance.control.roles import Role, Who
from appliance.control.schema import Done
from appliance.control.schema_people import SessionView
from appliance.control.schema_setup import (
    AnswersView,
    CheckView,
    FoundBackup,
    GivenAnswers,
    SetupView,
    WrongAnswer,
)
from appliance.control.setup import Machine
from appliance.ipc.machine import (
    Choices,
    GetChoices,
    GetMachine,
    GetSticks,
    MachineView,
    MountStick,
    Sticks,
    StickView,
)
from appliance.mail.views import Unavailable

_FILE = "answers"


class Founder(Protocol):
    """Makes a node of this machine. Raises BadRequest, Refused, NotDone, Unavailable."""

    def kept(self) -> dict[str, Any]:
        """The answers that were given before, without password and code."""

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Keep them, without password and code, whatever happens to the power."""

    def wrong_password(self, password: str) -> str:
        """Why nobody can have it, "" if somebody can; takes its time."""

    def wrong_code(self, code: str) -> str:
        """Why no node shows it, "" if one may."""

    def wrong_backup(self, said: RestoreAnswers) -> str:
        """Why it is no backup that the key opens, "" if it begins like one."""

    def backups(self, folders: Sequence[str]) -> Sequence[FoundBackup]:
        """Those that are in the folders, the newest first."""

    def progress(self) -> str:
        """What is being done that takes long, "" if nothing is."""

    async def found(self, answers: Answers, by: str) -> str:
        """Do it; what has come of it."""


@dataclass(frozen=True)
class Local:
    """Who may call while there are no operators: whoever sits at this machine.

    Root and the node's user; and members of `group`, which only the consoles on the machine's own
    screen and serial line are in. Nobody logs in as one, and nothing listens to a network: to come
    here somebody has to stand before a machine that holds no mail yet.
    """

    group: int | None

    async def who(self, request: web.Request) -> Who:
        """Who calls; raises Forbidden."""
        number = credentials(request)[0]
        if number not in (0, node_user()) and self.group not in groups(request):
            raise Forbidden("only root and the console of this machine may", "use sudo")
        return Who(user_name(number), Role.ADMINISTRATOR)


class FirstBootApi:
    """The handlers. `wall` is the clock, `clock_problem` says why it can't be right."""

    def __init__(
        self,
        founder: Founder,
        machine: Machine,
        helper: Helper,
        wall: Callable[[], int],
        clock_problem: Callable[[int], str],
    ) -> None:
        self._founder = founder
        self._machine = machine
        self._helper = helper
        self._wall = wall
        self._clock_problem = clock_problem
        self._turn = asyncio.Lock()

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/sessions/current", self.session, None)
        handlers.get("/setup", self.view, Role.VIEWER)
        handlers.post("/setup/answers", self.answers, Role.ADMINISTRATOR, "answer the setup")
        handlers.post("/setup", self.found, Role.ADMINISTRATOR, "set the node up")

    async def session(self, request: web.Request) -> web.Response:
        who = request[WHO]
        return as_json(SessionView(name=who.name, role=who.role, session=False, first_run=True))

    async def view(self, request: web.Request) -> web.Response:
        now = self._wall()
        machine, choices = await self._managed(user(request))
        view = SetupView(
            name="",
            hostname="",
            domains=(),
            first_run=True,
            paired=False,
            virtual=(),
            interfaces=tuple(await asyncio.to_thread(self._machine.interfaces)),
            time_zone=await asyncio.to_thread(self._machine.time_zone),
            now=now,
            clock_problem=self._clock_problem(now),
            state="live" if machine is not None and machine.live else "first boot",
            answers=await asyncio.to_thread(self._founder.kept),
            machine=machine,
            choices=choices,
            backups=await self._backups(user(request)) if "backups" in request.query else (),
            progress=self._founder.progress(),
        )
        return as_json(view)

    async def answers(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), GivenAnswers)
        note(request, step=body.step)
        wrong = [
            WrongAnswer(one.key, one.what, one.hint) for one in _problems(completed(body.answers))
        ]
        if not wrong:
            wrong = await asyncio.to_thread(self._secrets, body)
        if wrong:
            return as_json(AnswersView(tuple(wrong), ()))
        await asyncio.to_thread(self._founder.keep, body.answers)
        return as_json(AnswersView((), tuple(await self._looks(body))))

    async def found(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), GivenAnswers)
        try:
            answers = checked(body.answers, Answers, _FILE)
        except ConfigError as error:
            first = error.problems[0]
            raise BadRequest(f"{first.key}: {first.what}".removeprefix(": "), first.hint) from None
        note(request, node=str(answers.name), pair=answers.pair)
        if self._turn.locked():
            raise BadRequest("somebody else is setting this node up", "wait for that to end")
        async with self._turn:
            await asyncio.to_thread(self._founder.keep, body.answers)
            return as_json(Done(await self._founder.found(answers, user(request))))

    async def _managed(self, by: str) -> tuple[MachineView | None, Choices | None]:
        if self._helper.there:
            with suppress(Failed, Unavailable):
                view = await self._helper.ask(GetMachine(), MachineView, by)
                return view, await self._helper.ask(GetChoices(), Choices, by)
        return None, None

    async def _backups(self, by: str) -> tuple[FoundBackup, ...]:
        """On all sticks, which are mounted for that; and nobody lets them go before the node."""
        folders = []
        with suppress(Failed, Unavailable):
            for one in (await self._helper.ask(GetSticks(), Sticks, by)).sticks:
                with suppress(Failed):
                    stick = await self._helper.ask(MountStick(one.id), StickView, by)
                    folders.append(stick.folder)
        return tuple(await asyncio.to_thread(self._founder.backups, folders))

    def _secrets(self, body: GivenAnswers) -> list[WrongAnswer]:
        said = body.answers
        if body.step == "administrator" and (
            why := self._founder.wrong_password(said["administrator"]["password"])
        ):
            return [WrongAnswer("administrator.password", why, "choose another one")]
        if body.step == "join" and (why := self._founder.wrong_code(said["join"]["code"])):
            return [WrongAnswer("join.code", why, "type it once more, as the other node shows it")]
        if body.step == "restore" and (
            why := self._founder.wrong_backup(msgspec.convert(said["restore"], RestoreAnswers))
        ):
            return [WrongAnswer("restore", why, "look at the paper again, or take another backup")]
        return []

    async def _looks(self, body: GivenAnswers) -> list[CheckView]:
        """What the network and the clock say of the step's answers, which are sound."""
        said = body.answers
        match body.step:
            case "network" | "link" if said.get(body.step):
                return [await self._in_use(said[body.step]["address"])]
            case "virtual":
                return [await self._in_use(one) for one in said.get("virtual", ())]
            case "join":
                return [await self._machine.answers(NumericEndpoint.parse(said["join"]["at"]))]
            case "clock":
                why = self._clock_problem(self._wall() + int(said.get("clock_step", 0)))
                text = why or "it may be right"
                hint = "mail would carry a wrong date, and certificates would not be good yet"
                return [
                    CheckView(what="the clock", ok=not why, text=text, hint=hint if why else "")
                ]
        return []

    async def _in_use(self, address: str) -> CheckView:
        return await self._machine.in_use(str(ipaddress.ip_interface(address).ip))


def completed(said: Mapping[str, Any]) -> dict[str, Any]:
    """The answers with sound ones in place of those not yet given: what is wrong then was said."""
    answers: dict[str, Any] = {
        "name": "a",
        "pair": "later",
        "network": {"interface": "eth0", "address": "192.0.2.11/24"},
        **said,
    }
    if answers["pair"] == "join":
        answers.setdefault("join", {"at": "192.0.2.12:2527", "code": "0"})
        return answers
    if answers["pair"] == "restore":
        answers.setdefault("restore", {"file": "/a.backup", "key": "0"})
    else:
        answers.setdefault("domain", "site.example")
        answers.setdefault("administrator", {"name": "admin", "password": "0"})
    if "virtual" not in answers:
        answers["virtual"] = [_neighbour(answers["network"])]
    return answers


def _problems(document: Mapping[str, Any]) -> list[Any]:
    try:
        checked(document, Answers, _FILE)
    except ConfigError as error:
        return list(error.problems)
    return []


def _neighbour(network: object) -> str:
    """Some other address beside the node's own."""
    with suppress(ValueError, KeyError, TypeError):
        own = ipaddress.ip_interface(network["address"])  # type: ignore[index]
        for step in (1, -1):
            near = own.ip + step
            ends = (own.network.network_address, own.network.broadcast_address)
            if near in own.network and near not in ends:
                return f"{near}/{own.network.prefixlen}"
    return "192.0.2.10/24"
