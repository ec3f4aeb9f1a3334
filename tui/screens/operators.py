"""Operators: the people who run the site, and what each may."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema_people import OperatorView
from appliance.mail.figures import counted
from tui.dialogs import Dialog, Question
from tui.listing import Listing, said
from tui.text import foreign, moment
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client

_ROLES = "viewer (sees), operator (moves mail and addresses), administrator (changes everything)"


class Operators(Listing[OperatorView]):
    """The operators of the site, on both nodes."""

    ABOUT: ClassVar[str] = """
        People who may use this console. A viewer sees, an operator moves mail and addresses, an
        administrator changes settings and people. n adds one, r gives another role, p sets a
        password, d disables and enables, x removes. The last administrator can be neither removed
        nor disabled. Sessions end when one of this changes.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "New operator"),
        Binding("r", "role", "Role"),
        Binding("p", "password", "Password"),
        Binding("d", "disable", "Disable / enable"),
        Binding("x", "remove", "Remove"),
    ]

    def columns(self) -> Sequence[Column[OperatorView]]:
        return (
            Column("Operator", lambda one: foreign(one.name), 12, share=1),
            Column("Role", lambda one: foreign(str(one.role or "?")), 14),
            Column("", _state, 12),
            Column("Password set (UTC)", _password, 19),
            Column(
                "Logged in here", lambda one: Content(str(one.sessions)), 14, right=True, wide=True
            ),
        )

    def key(self, row: OperatorView) -> Hashable:
        return row.name

    def read(self, client: Client) -> Sequence[OperatorView]:
        return client.operators()

    def counted(self, rows: Sequence[OperatorView]) -> str:
        return counted(len(rows), "operator")

    def action_add(self) -> None:
        self.run_worker(self._add(), group="act")

    async def _add(self) -> None:
        name = await self.app.push_screen_wait(
            Dialog(
                Question(
                    "New operator",
                    Content("May log in to this console, on both nodes, as a viewer at first."),
                    "Next",
                    field="Name:",
                    check=lambda typed: "" if typed.strip() else "type a name",
                )
            )
        )
        if name is None:
            return
        question = Question(
            "New operator",
            Content.assemble("Logs in as ", foreign(name, style="bold"), " with this password."),
            "Add",
            field="Password:",
            secret=True,
        )
        self.act(
            question,
            lambda client, typed: client.add_operator(name.strip(), Role.VIEWER, typed),
            said,
        )

    def action_role(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Another role",
            Content.assemble(
                foreign(row.name, style="bold"), " gets the role that you type: ", _ROLES, "."
            ),
            "Give it",
            field="Role:",
            value=str(row.role or ""),
            check=lambda typed: "" if typed.strip() in set(Role) else f"one of {', '.join(Role)}",
            danger=True,
        )

        def call(client: Client, typed: str) -> str:
            return client.set_operator_role(row.name, Role(typed.strip()))

        self.act(question, call, said)

    def action_password(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Set a password",
            Content.assemble(
                foreign(row.name, style="bold"), " logs in with this one; open sessions end."
            ),
            "Set it",
            field="New password:",
            secret=True,
        )
        self.act(
            question, lambda client, typed: client.set_operator_password(row.name, typed), said
        )

    def action_disable(self) -> None:
        if (row := self.row) is not None:
            action = "enable" if row.disabled else "disable"
            what = " may log in again." if row.disabled else " is logged out and kept out."
            self._change(row, action, what)

    def action_remove(self) -> None:
        if (row := self.row) is not None:
            self._change(row, "remove", " is logged out, and there is no such operator any more.")

    def _change(self, row: OperatorView, action: str, what: str) -> None:
        question = Question(
            action.capitalize(),
            Content.assemble(foreign(row.name, style="bold"), what),
            action.capitalize(),
            danger=action != "enable",
        )
        self.act(question, lambda client, _: client.change_operator(row.name, action), said)


def _state(one: OperatorView) -> Content:
    if one.disabled:
        return Content.assemble(("■ disabled", "$warning"))
    return Content.assemble(("● active", "$success"))


def _password(one: OperatorView) -> Content:
    return Content("none" if one.password_set_at is None else moment(one.password_set_at))
