"""Users: who has a mailbox, and may send."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.schema import AddUsers, NewUser, UserView
from appliance.mail.figures import counted
from tui.dialogs import Question
from tui.listing import Listing, said
from tui.text import EMPTY, LINE, foreign, join, lines, moment
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client


class Users(Listing[UserView]):
    """The users of the site, on both nodes."""

    ABOUT: ClassVar[str] = """
        People who have a mailbox here and send mail. n adds one, p sets a password, d disables
        somebody at once on both nodes and enables again, x removes the user: the mailbox stays.
        Users change their own password at the page of [account], if the node has one. Many at once
        come from a file: `twinpost user import`.
    """
    EMPTY_TEXT: ClassVar[str] = "There are no users yet: press n."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "New user"),
        Binding("p", "password", "Password"),
        Binding("d", "disable", "Disable / enable"),
        Binding("x", "remove", "Remove"),
    ]

    def columns(self) -> Sequence[Column[UserView]]:
        return (
            Column("User", lambda user: foreign(user.name), 12, share=2),
            Column("", _state, 12),
            Column("Addresses", _addresses, 20, share=4),
            Column("Mailbox", lambda user: foreign(user.mailbox), 12, share=1, wide=True),
        )

    def key(self, row: UserView) -> Hashable:
        return row.name

    def read(self, client: Client) -> Sequence[UserView]:
        return client.users()

    def counted(self, rows: Sequence[UserView]) -> str:
        disabled = sum(one.disabled for one in rows)
        return counted(len(rows), "user") + (f", {disabled} disabled" if disabled else "")

    def detail(self, row: UserView) -> Content:
        told = [EMPTY, Content.assemble(("addresses ", "$quiet"), _addresses(row))]
        if row.may_send_as:
            also = join([foreign(one, LINE) for one in row.may_send_as], ", ")
            told.append(Content.assemble(("may send as ", "$quiet"), also))
        at = "none" if row.password_set_at is None else f"set {moment(row.password_set_at)}"
        told.append(Content.assemble(("password ", "$quiet"), at))
        return lines(told)

    def action_add(self) -> None:
        question = Question(
            "New user",
            Content(
                "Gets a mailbox and an address in each of the site's domains. Without a password "
                "nobody can log in as this user: set one next, with p."
            ),
            "Add",
            field="Name, for example anna:",
            check=lambda name: "" if name.strip() else "type a name",
        )

        def call(client: Client, name: str) -> str:
            return client.add_users(AddUsers((NewUser(name=name.strip()),)))

        self.act(question, call, said)

    def action_password(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Set a password",
            Content.assemble(
                "From now on ",
                foreign(row.name, style="bold"),
                " logs in with this password, on both nodes. The old one is good no more.",
            ),
            "Set it",
            field="New password:",
            secret=True,
            check=lambda typed: "" if typed else "type a password",
        )
        self.act(question, lambda client, typed: client.set_password(row.name, typed), said)

    def action_disable(self) -> None:
        if (row := self.row) is None:
            return
        action = "enable" if row.disabled else "disable"
        what = (
            " may log in and send again."
            if row.disabled
            else " can no longer log in or send, on either node, from the next message on. Mail "
            "for this user still comes in."
        )
        question = Question(
            action.capitalize(),
            Content.assemble(foreign(row.name, style="bold"), what),
            action.capitalize(),
        )
        self.act(question, lambda client, _: client.change_user(row.name, action), said)

    def action_remove(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Remove a user",
            Content.assemble(
                foreign(row.name, style="bold"),
                " can no longer log in, and mail for this user's addresses is refused from now "
                "on. What lies in the mailbox stays.",
            ),
            "Remove",
            danger=True,
        )
        self.act(question, lambda client, _: client.change_user(row.name, "remove"), said)


def _state(user: UserView) -> Content:
    if user.disabled:
        return Content.assemble(("■ disabled", "$warning"))
    if user.password_set_at is None:
        return Content.assemble(("no password", "$quiet"))
    return Content.assemble(("● active", "$success"))


def _addresses(user: UserView) -> Content:
    return join([foreign(one, LINE) for one in user.addresses], ", ")
