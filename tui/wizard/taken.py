"""What is made of what was typed at the first boot; all raise Mistake."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from appliance.control.schema_setup import SetupView
from tui.wizard import offered
from tui.wizard.answers import Answers, Mistake, said

Typed = Mapping[str, str]
PAIRING_PORT = 2527
_CLOCK = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_SMALL_STEP = 1000
"""Milliseconds."""


def _one_of(typed: str, known: Sequence[str], what: str) -> str:
    if typed and known and typed not in known:
        near = difflib.get_close_matches(typed, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "for example " + known[0]
        raise Mistake(f"there is no {what} {typed!r} here", hint)
    return typed


def keyboards(view: SetupView) -> Sequence[str]:
    """Those that the machine knows."""
    return view.choices.keyboards if view.choices else ()


def time_zones(view: SetupView) -> Sequence[str]:
    """Those that the machine knows."""
    return view.choices.time_zones if view.choices else ()


def keyboard(answers: Answers, typed: Typed, view: SetupView) -> None:
    """One that the machine knows."""
    answers["keyboard"] = _one_of(typed["keyboard"], keyboards(view), "keyboard")


def time_zone(answers: Answers, typed: Typed, view: SetupView) -> None:
    """One that the machine knows."""
    answers["time_zone"] = _one_of(typed["time_zone"], time_zones(view), "time zone")


def clock(answers: Answers, typed: Typed, view: SetupView) -> None:
    """Kept as the step of the clock in milliseconds: time goes on meanwhile."""
    if typed["clock"] == offered.clock(answers, view):
        return
    for form in _CLOCK:
        with suppress(ValueError):
            then = datetime.strptime(typed["clock"], form).replace(tzinfo=UTC)
            step = round(then.timestamp() * 1000) - view.now
            answers["clock_step"] = step if abs(step) >= _SMALL_STEP else 0
            return
    raise Mistake(f"{typed['clock']!r} is no moment", "for example 2026-11-28 12:00:00, in UTC")


def name(answers: Answers, typed: Typed, view: SetupView) -> None:
    """Small letters, whatever was typed."""
    answers["name"] = typed["name"].lower()


def network(answers: Answers, typed: Typed, view: SetupView) -> None:
    """An interface that there is, an address and a gateway."""
    names = [one.name for one in view.interfaces]
    if typed["address"].startswith("127."):  # a pair on one machine, to try it
        names.append("lo")
    answers["network"] = {
        "interface": _one_of(typed["interface"], names, "interface"),
        "address": typed["address"],
        "gateway": typed["gateway"],
    }


def link(answers: Answers, typed: Typed, view: SetupView) -> None:
    """The same for the cable, or nothing."""
    names = [one.name for one in view.interfaces]
    interface = _one_of(typed["interface"], names, "interface")
    if interface:
        answers["link"] = {"interface": interface, "address": typed["address"]}
    else:
        answers.pop("link", None)


def manner(answers: Answers, typed: Typed, view: SetupView) -> None:
    """Which of the ways was chosen."""
    answers["pair"] = typed["choice"]


def join(answers: Answers, typed: Typed, view: SetupView) -> None:
    """An address alone gets the usual port."""
    at = typed["at"]
    with suppress(ValueError):  # an address alone: the port is nearly always this one
        address = ipaddress.ip_address(at.strip("[]"))
        port = answers.get("ports", {}).get("pairing", PAIRING_PORT)
        at = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if not typed["code"]:
        raise Mistake("the code is missing", "the other node shows it: its screen Pair, key i")
    answers["join"] = {"at": at, "code": typed["code"]}


def domain(answers: Answers, typed: Typed, view: SetupView) -> None:
    """Small letters, whatever was typed."""
    answers["domain"] = typed["domain"].lower()


def virtual(answers: Answers, typed: Typed, view: SetupView) -> None:
    """Addresses without a prefix get the network's."""
    own = said(answers, "network", "address").partition("/")[2]
    found = typed["virtual"].replace(",", " ").split()
    answers["virtual"] = [one if "/" in one else f"{one}/{own}" for one in found]


def administrator(answers: Answers, typed: Typed, view: SetupView) -> None:
    """A name, and the same password twice."""
    if typed["password"] != typed["again"]:
        raise Mistake("the two passwords differ", "type the same one twice")
    answers["administrator"] = {"name": typed["name"].lower(), "password": typed["password"]}


def restore(answers: Answers, typed: Typed, view: SetupView) -> None:
    """A file, and the key from the paper."""
    if not typed["key"]:
        raise Mistake("the recovery key is missing", "it is on the paper that was made with it")
    answers["restore"] = {"file": typed["file"], "key": typed["key"]}
