"""The questions of the first boot: pure, from what was answered and what the machine is."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.control.schema_setup import SetupView
from tui.text import moment

Answers = dict[str, Any]
Typed = Mapping[str, str]
PAIRING_PORT = 2527
_CLOCK = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_SMALL_STEP = 1000
MANNERS = (
    ("new", "Begin a new pair: this node shows a code for the other one"),
    ("join", "Join the other node: it shows a code"),
    ("later", "Alone for now: pair later"),
    ("restore", "Bring a site back from a backup on a stick"),
)


class Mistake(Exception):
    """What was typed makes no sense; `hint` says what does."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class Field:
    """A line to type into; `value` is what stands there at first."""

    key: str
    label: str
    value: Callable[[Answers, SetupView], str] = lambda answers, view: ""
    secret: bool = False


@dataclass(frozen=True)
class Step:
    """One page. `put` takes what was typed into the answers; raises Mistake.

    `wanted`: whether it is asked at all. `choices`: one of these, in place of fields.
    `words`: what a field may say, to complete it. `live`: it is about what moves on by itself.
    `gives`: the answer's name, where it is not the step's own.
    """

    name: str
    title: str
    about: str
    put: Callable[[Answers, Typed, SetupView], None]
    fields: Sequence[Field] = ()
    wanted: Callable[[Answers, SetupView], bool] = lambda answers, view: True
    choices: Sequence[tuple[str, str]] = ()
    words: Callable[[SetupView], Sequence[str]] = lambda view: ()
    live: bool = False
    gives: str = ""


def steps(answers: Answers, view: SetupView) -> Sequence[Step]:
    """Those that are asked, in order."""
    return [one for one in STEPS if one.wanted(answers, view)]


def joins(answers: Answers) -> bool:
    """Whether the other node has the pair's settings."""
    return bool(answers.get("pair") == "join")


def restores(answers: Answers) -> bool:
    """Whether a backup has all but this machine's own settings."""
    return bool(answers.get("pair") == "restore")


def so_far(answers: Answers, step: Step) -> Answers:
    """Without what later pages ask: it was kept from before, and is checked there."""
    later = STEPS[STEPS.index(step) + 1 :]
    gone = {one.gives or one.name for one in later}
    return {name: one for name, one in answers.items() if name not in gone}


def cleaned(answers: Answers) -> Answers:
    """Without what belongs to a way that was not taken in the end."""
    gone = ["join"] * (not joins(answers)) + ["restore"] * (not restores(answers))
    if joins(answers):
        gone.append("virtual")
    if joins(answers) or restores(answers):
        gone += ["domain", "administrator"]
    return {name: one for name, one in answers.items() if name not in gone}


# What stands in the fields at first.


def _said(answers: Answers, *path: str) -> str:
    found: Any = answers
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _usable(view: SetupView) -> Sequence[str]:
    """Names of interfaces, those with a cable and an address first."""
    names = sorted(view.interfaces, key=lambda one: (not one.carrier, not one.addresses, one.name))
    return [one.name for one in names]


def _address_at(view: SetupView, interface: str) -> str:
    """The machine's own address there, without those that come and go by themselves."""
    for one in view.interfaces:
        for address in one.addresses if one.name == interface else ():
            with suppress(ValueError):
                if not ipaddress.ip_interface(address).is_link_local:
                    return address
    return ""


def _interface(answers: Answers, view: SetupView) -> str:
    names = _usable(view)
    return _said(answers, "network", "interface") or (names[0] if names else "")


def _address(answers: Answers, view: SetupView) -> str:
    return _said(answers, "network", "address") or _address_at(view, _interface(answers, view))


def _gateway(answers: Answers, view: SetupView) -> str:
    if "network" in answers:
        return _said(answers, "network", "gateway")
    return view.machine.gateway if view.machine else ""


def _link_interface(answers: Answers, view: SetupView) -> str:
    if said := _said(answers, "link", "interface"):
        return said
    if "pair" in answers:  # asked before, and left empty
        return ""
    others = [name for name in _usable(view) if name != _interface(answers, view)]
    return others[0] if others else ""


def _link_address(answers: Answers, view: SetupView) -> str:
    return _said(answers, "link", "address") or _address_at(view, _link_interface(answers, view))


def _virtual(answers: Answers, view: SetupView) -> str:
    return " ".join(answers.get("virtual", ()))


def _clock(answers: Answers, view: SetupView) -> str:
    return moment(view.now + int(answers.get("clock_step", 0)))


# What is made of what was typed.


def _one_of(typed: str, known: Sequence[str], what: str) -> str:
    if typed and known and typed not in known:
        near = difflib.get_close_matches(typed, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "for example " + known[0]
        raise Mistake(f"there is no {what} {typed!r} here", hint)
    return typed


def _keyboards(view: SetupView) -> Sequence[str]:
    return view.choices.keyboards if view.choices else ()


def _zones(view: SetupView) -> Sequence[str]:
    return view.choices.time_zones if view.choices else ()


def _put_keyboard(answers: Answers, typed: Typed, view: SetupView) -> None:
    answers["keyboard"] = _one_of(typed["keyboard"], _keyboards(view), "keyboard")


def _put_zone(answers: Answers, typed: Typed, view: SetupView) -> None:
    answers["time_zone"] = _one_of(typed["time_zone"], _zones(view), "time zone")


def _put_clock(answers: Answers, typed: Typed, view: SetupView) -> None:
    if typed["clock"] == _clock(answers, view):
        return
    for form in _CLOCK:
        with suppress(ValueError):
            then = datetime.strptime(typed["clock"], form).replace(tzinfo=UTC)
            step = round(then.timestamp() * 1000) - view.now
            answers["clock_step"] = step if abs(step) >= _SMALL_STEP else 0
            return
    raise Mistake(f"{typed['clock']!r} is no moment", "for example 2026-11-28 12:00:00, in UTC")


def _put_name(answers: Answers, typed: Typed, view: SetupView) -> None:
    answers["name"] = typed["name"].lower()


def _put_network(answers: Answers, typed: Typed, view: SetupView) -> None:
    names = [one.name for one in view.interfaces]
    if typed["address"].startswith("127."):  # a pair on one machine, to try it
        names.append("lo")
    answers["network"] = {
        "interface": _one_of(typed["interface"], names, "interface"),
        "address": typed["address"],
        "gateway": typed["gateway"],
    }


def _put_link(answers: Answers, typed: Typed, view: SetupView) -> None:
    names = [one.name for one in view.interfaces]
    interface = _one_of(typed["interface"], names, "interface")
    if interface:
        answers["link"] = {"interface": interface, "address": typed["address"]}
    else:
        answers.pop("link", None)


def _put_manner(answers: Answers, typed: Typed, view: SetupView) -> None:
    answers["pair"] = typed["choice"]


def _put_join(answers: Answers, typed: Typed, view: SetupView) -> None:
    at = typed["at"]
    with suppress(ValueError):  # an address alone: the port is nearly always this one
        address = ipaddress.ip_address(at.strip("[]"))
        port = answers.get("ports", {}).get("pairing", PAIRING_PORT)
        at = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if not typed["code"]:
        raise Mistake("the code is missing", "the other node shows it: its screen Pair, key i")
    answers["join"] = {"at": at, "code": typed["code"]}


def _put_domain(answers: Answers, typed: Typed, view: SetupView) -> None:
    answers["domain"] = typed["domain"].lower()


def _put_virtual(answers: Answers, typed: Typed, view: SetupView) -> None:
    own = _said(answers, "network", "address").partition("/")[2]
    found = typed["virtual"].replace(",", " ").split()
    answers["virtual"] = [one if "/" in one else f"{one}/{own}" for one in found]


def _put_administrator(answers: Answers, typed: Typed, view: SetupView) -> None:
    if typed["password"] != typed["again"]:
        raise Mistake("the two passwords differ", "type the same one twice")
    answers["administrator"] = {"name": typed["name"].lower(), "password": typed["password"]}


def _put_restore(answers: Answers, typed: Typed, view: SetupView) -> None:
    if not typed["key"]:
        raise Mistake("the recovery key is missing", "it is on the paper that was made with it")
    answers["restore"] = {"file": typed["file"], "key": typed["key"]}


def _newest(answers: Answers, view: SetupView) -> str:
    return _said(answers, "restore", "file") or (view.backups[0].path if view.backups else "")


def _begins(answers: Answers, view: SetupView) -> bool:
    return not joins(answers) and not restores(answers)


def _not_joining(answers: Answers, view: SetupView) -> bool:
    return not joins(answers)


STEPS = (
    Step(
        "keyboard",
        "Keyboard",
        "The keyboard of this machine, by its short name: us, de, fr, no …",
        _put_keyboard,
        (
            Field(
                "keyboard",
                "Keyboard",
                lambda answers, view: (
                    _said(answers, "keyboard") or (view.machine.keyboard if view.machine else "")
                ),
            ),
        ),
        lambda answers, view: view.machine is not None and view.machine.appliance,
        words=_keyboards,
    ),
    Step(
        "zone",
        "Time zone",
        "Times in mail and on this console follow it. Type the continent, then → completes it.",
        _put_zone,
        (
            Field(
                "time_zone",
                "Time zone",
                lambda answers, view: _said(answers, "time_zone") or view.time_zone,
            ),
        ),
        lambda answers, view: view.machine is not None,
        words=_zones,
        gives="time_zone",
    ),
    Step(
        "clock",
        "Clock",
        "What time is it, in UTC? Leave it if it is right to the minute. It is set at the end.",
        _put_clock,
        (Field("clock", "Now (UTC)", _clock),),
        lambda answers, view: view.machine is not None,
        live=True,
        gives="clock_step",
    ),
    Step(
        "name",
        "Name of this node",
        "Short, for people and in mail headers; the other node has another one: a and b, port and "
        "starboard.",
        _put_name,
        (Field("name", "Name", lambda answers, view: _said(answers, "name")),),
    ),
    Step(
        "network",
        "Network of the clients",
        "Where clients reach this machine. The address is this node's own, with its prefix: "
        "192.0.2.11/24. Leave the gateway empty if there is no way out.",
        _put_network,
        (
            Field("interface", "Interface", _interface),
            Field("address", "Address", _address),
            Field("gateway", "Gateway", _gateway),
        ),
    ),
    Step(
        "link",
        "Cable to the other node",
        "A second network between the nodes alone keeps them together when the first one fails. "
        "Best is a cable from one to the other: 10.9.9.1/30 here, 10.9.9.2/30 there. Leave the "
        "interface empty if there is none.",
        _put_link,
        (
            Field("interface", "Interface", _link_interface),
            Field("address", "Address", _link_address),
        ),
        lambda answers, view: len(view.interfaces) > 1,
    ),
    Step(
        "pair",
        "The pair",
        "Two nodes are one mail system. Which one is this?",
        _put_manner,
        choices=MANNERS,
    ),
    Step(
        "join",
        "Join the other node",
        "The other node shows an address and a code on its screen Pair (key i). Domains, "
        "operators and virtual addresses come from it.",
        _put_join,
        (
            Field("at", "Address there", lambda answers, view: _said(answers, "join", "at")),
            Field("code", "Code", lambda answers, view: _said(answers, "join", "code")),
        ),
        lambda answers, view: joins(answers),
    ),
    Step(
        "restore",
        "The backup",
        "Put the stick in, and go back and here again if the file is not seen. What it says is the "
        "newest one; type / and → to choose another. The recovery key is on paper.",
        _put_restore,
        (
            Field("file", "Backup", _newest),
            Field("key", "Recovery key", lambda answers, view: _said(answers, "restore", "key")),
        ),
        lambda answers, view: restores(answers),
        words=lambda view: [one.path for one in view.backups],
        live=True,
    ),
    Step(
        "domain",
        "Domain",
        "What stands behind the @ in addresses here. More of them can be added later.",
        _put_domain,
        (Field("domain", "Domain", lambda answers, view: _said(answers, "domain")),),
        _begins,
    ),
    Step(
        "virtual",
        "Virtual address",
        "Clients use this address. It is one more in the same network, of no machine: the node "
        "that serves has it, and the other one takes it over. Two, with a space between, make both "
        "nodes serve.",
        _put_virtual,
        (Field("virtual", "Virtual", _virtual),),
        _not_joining,
    ),
    Step(
        "administrator",
        "Administrator",
        "The first operator of this console, who may do everything and can add others.",
        _put_administrator,
        (
            Field("name", "Name", lambda answers, view: _said(answers, "administrator", "name")),
            Field("password", "Password", secret=True),
            Field("again", "Once more", secret=True),
        ),
        _begins,
    ),
)
