"""What is asked before the pair is changed: what will happen, in plain words."""

from __future__ import annotations

from textual.content import Content

from appliance.control.schema import Status
from tui.dialogs import Question
from tui.text import foreign, join

INVITE = Question(
    "Show a code",
    Content(
        "This node will wait for another one, for 10 minutes and 5 tries, and show a code. Type it "
        "on the other node. When it has joined, the services of both nodes start anew."
    ),
    "Show a code",
)
TAKE_OVER = Question(
    "Take over the backlog",
    Content(
        "Mail that was here when this node started, and that the other node owned, will go out "
        "now without hearing the other node. It may have delivered some of it already: recipients "
        "may get that twice. Each such attempt is counted as a doubt. Do it if the other node is "
        "dead, or will be away for long."
    ),
    "Take over",
    danger=True,
)


def insist(name: str) -> Question:
    """To do what was refused all the same."""
    return Question(
        "Do it all the same?",
        Content(
            "The node has refused, for the reason that it gave. If you insist, the addresses move "
            "also if the other node cannot serve: then nobody takes mail until it can. Mail that "
            "cannot be handed over waits here."
        ),
        "Insist",
        danger=True,
        word=name,
    )


def replace(name: str, other: str) -> Question:
    """To give up the dead node."""
    return Question(
        "Replace the dead node",
        Content.assemble(
            "Node ",
            foreign(other, 40, "bold") if other else "that this one is paired with",
            " is given up for good. What it owned goes out from here, with doubts where it may "
            "have been delivered. A new machine joins with the code that is shown. The dead node "
            "must never come back: wipe its disk. Mail that only its disk has can be salvaged.",
        ),
        "Replace it",
        danger=True,
        word=name,
    )


def switchover(status: Status, other: str, *, here: bool) -> Question:
    """To move the addresses."""
    addresses = join([foreign(one.address, 45, "bold") for one in status.virtual], ", ")
    away = foreign(other, 40, "bold") if other else Content("the other node")
    to = foreign(status.name, 40, "bold") if here else away
    return Question(
        "Bring the addresses here" if here else "Switch over",
        Content.assemble(
            addresses or "The virtual addresses",
            " will move to node ",
            to,
            ". First the deliveries that are under way end, and the queue is handed over: that "
            "takes some seconds. Clients that are connected then connect again. Mail goes on.",
        ),
        "Bring them here" if here else "Switch over",
    )


def maintenance(status: Status, other: str, *, on: bool) -> Question:
    """To work on a node, or be done with it."""
    name = foreign(status.name, 40, "bold")
    if not on:
        says = Content.assemble("Node ", name, " takes part again and may hold addresses.")
        return Question("End the maintenance", says, "End it")
    away = foreign(other, 40, "bold") if other else Content("the other node")
    says = Content.assemble(
        "Node ",
        name,
        " gives its addresses and its queue to node ",
        away,
        " and takes none until you end the maintenance, also over restarts. As long as that "
        "lasts, nobody is there to take over from the other node.",
    )
    return Question("Maintenance", says, "Begin it")


def join_address() -> Question:
    """Where the inviting node waits."""
    return Question(
        "Join another node",
        Content(
            "This node becomes the second node of a pair: it takes over the other one's settings "
            "and mail. First the address that is shown beside the code on the other node."
        ),
        "Go on",
        field="Address and port of the other node:",
        check=lambda typed: "" if ":" in typed else "write ADDRESS:PORT as it is shown there",
    )


def join_code(at: str) -> Question:
    """The code itself."""
    return Question(
        "Join another node",
        Content.assemble("Now the code that the node at ", foreign(at, 80, "bold"), " shows."),
        "Join",
        field="Code:",
        check=lambda typed: "" if typed.strip() else "type the code",
    )
