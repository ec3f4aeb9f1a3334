"""The questions of the first boot: pure, from what was answered and what the machine is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from appliance.control.schema_setup import SetupView
from tui.text import EMPTY
from tui.wizard import offered, taken
from tui.wizard.answers import Answers, begins, joins, restores
from tui.wizard.taken import Typed

MANNERS = (
    ("new", "Begin a new pair: this node shows a code for the other one"),
    ("join", "Join the other node: it shows a code"),
    ("later", "Alone for now: pair later"),
    ("restore", "Bring a site back from a backup on a stick"),
)


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
    `words`: what a field may say, to complete it; `told` stands below the fields. `live`: it is
    about what moves on by itself; `seeks`: also about backups, which are looked for on sticks.
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
    told: Callable[[SetupView], Content] = lambda view: EMPTY
    live: bool = False
    seeks: bool = False
    gives: str = ""


def steps(answers: Answers, view: SetupView) -> Sequence[Step]:
    """Those that are asked, in order."""
    return [one for one in STEPS if one.wanted(answers, view)]


def so_far(answers: Answers, step: Step) -> Answers:
    """Without what later pages ask: it was kept from before, and is checked there."""
    later = STEPS[STEPS.index(step) + 1 :]
    gone = {one.gives or one.name for one in later}
    return {name: one for name, one in answers.items() if name not in gone}


STEPS = (
    Step(
        "keyboard",
        "Keyboard",
        "The keyboard of this machine, by its short name: us, de, fr, no …",
        taken.keyboard,
        (Field("keyboard", "Keyboard", offered.keyboard),),
        lambda answers, view: view.machine is not None and view.machine.appliance,
        words=taken.keyboards,
    ),
    Step(
        "zone",
        "Time zone",
        "Times in mail and on this console follow it. Type the continent, then → completes it.",
        taken.time_zone,
        (Field("time_zone", "Time zone", offered.time_zone),),
        lambda answers, view: view.machine is not None,
        words=taken.time_zones,
        gives="time_zone",
    ),
    Step(
        "clock",
        "Clock",
        "What time is it, in UTC? Leave it if it is right to the minute. It is set at the end.",
        taken.clock,
        (Field("clock", "Now (UTC)", offered.clock),),
        lambda answers, view: view.machine is not None,
        live=True,
        gives="clock_step",
    ),
    Step(
        "name",
        "Name of this node",
        "Short, for people and in mail headers; the other node has another one: a and b, port and "
        "starboard.",
        taken.name,
        (Field("name", "Name", offered.again("name")),),
    ),
    Step(
        "network",
        "Network of the clients",
        "Where clients reach this machine. The address is this node's own, with its prefix: "
        "192.0.2.11/24. Leave the gateway empty if there is no way out.",
        taken.network,
        (
            Field("interface", "Interface", offered.interface),
            Field("address", "Address", offered.address),
            Field("gateway", "Gateway", offered.gateway),
        ),
    ),
    Step(
        "link",
        "Cable to the other node",
        "A second network between the nodes alone keeps them together when the first one fails. "
        "Best is a cable from one to the other: 10.9.9.1/30 here, 10.9.9.2/30 there. Leave the "
        "interface empty if there is none.",
        taken.link,
        (
            Field("interface", "Interface", offered.link_interface),
            Field("address", "Address", offered.link_address),
        ),
        lambda answers, view: len(view.interfaces) > 1,
    ),
    Step(
        "pair",
        "The pair",
        "Two nodes are one mail system. Which one is this?",
        taken.manner,
        choices=MANNERS,
    ),
    Step(
        "join",
        "Join the other node",
        "The other node shows an address and a code on its screen Pair (key i). Domains, "
        "operators and virtual addresses come from it.",
        taken.join,
        (
            Field("at", "Address there", offered.again("join", "at")),
            Field("code", "Code", offered.again("join", "code")),
        ),
        lambda answers, view: joins(answers),
    ),
    Step(
        "restore",
        "The backup",
        "Put the stick in, and go back and here again if the backup is not seen. Offered is the "
        "newest one; type / and → to choose another. The recovery key is on paper.",
        taken.restore,
        (
            Field("file", "Backup", offered.backup),
            Field("key", "Recovery key", offered.again("restore", "key")),
        ),
        lambda answers, view: restores(answers),
        words=lambda view: [one.path for one in view.backups],
        told=offered.backups,
        live=True,
        seeks=True,
    ),
    Step(
        "domain",
        "Domain",
        "What stands behind the @ in addresses here. More of them can be added later.",
        taken.domain,
        (Field("domain", "Domain", offered.again("domain")),),
        lambda answers, view: begins(answers),
    ),
    Step(
        "virtual",
        "Virtual address",
        "Clients use this address. It is one more in the same network, of no machine: the node "
        "that serves has it, and the other one takes it over. Two, with a space between, make both "
        "nodes serve.",
        taken.virtual,
        (Field("virtual", "Virtual", offered.virtual),),
        lambda answers, view: not joins(answers),
    ),
    Step(
        "administrator",
        "Administrator",
        "The first operator of this console, who may do everything and can add others.",
        taken.administrator,
        (
            Field("name", "Name", offered.again("administrator", "name")),
            Field("password", "Password", secret=True),
            Field("again", "Once more", secret=True),
        ),
        lambda answers, view: begins(answers),
    ),
)
