"""Aliases: addresses that stand for others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.schema import AddAliases, AliasView
from appliance.mail.figures import counted
from tui.dialogs import Question
from tui.listing import Listing, said, shown
from tui.text import EMPTY, LINE, foreign, join, lines
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client


class Aliases(Listing[AliasView]):
    """The aliases of the site."""

    ABOUT: ClassVar[str] = """
        Addresses that stand for users and other addresses: mail for an alias goes to everybody
        behind it. n adds one, e changes whom it stands for, x removes it. An alias that leads back
        to itself is refused.
    """
    EMPTY_TEXT: ClassVar[str] = "There are no aliases: press n."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "New alias"),
        Binding("e", "edit", "Change"),
        Binding("x", "remove", "Remove"),
    ]

    def columns(self) -> Sequence[Column[AliasView]]:
        return (
            Column("Alias", lambda alias: foreign(alias.address, LINE), 20, share=1),
            Column("Stands for", _behind, 20, share=2),
        )

    def key(self, row: AliasView) -> Hashable:
        return row.address

    def read(self, client: Client) -> Sequence[AliasView]:
        return client.aliases()

    def counted(self, rows: Sequence[AliasView]) -> str:
        return counted(len(rows), "alias", "aliases")

    def detail(self, row: AliasView) -> Content:
        return lines([EMPTY, foreign(row.address, LINE, "bold"), _behind(row)])

    def action_add(self) -> None:
        question = Question(
            "New alias",
            Content(
                "Mail for the alias will go to all users and addresses that you name, for example "
                "office@ship.test = anna, bert@ship.test"
            ),
            "Add",
            field="Alias = users and addresses:",
            check=_wrong,
        )
        self.act(question, lambda client, typed: _put(client, typed, replace=False), said)

    def action_edit(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Change an alias",
            Content("Mail for the alias goes to these from now on, and to nobody else."),
            "Change",
            field="Alias = users and addresses:",
            value=shown(f"{row.address} = {', '.join(row.to)}"),
            check=_wrong,
        )
        self.act(question, lambda client, typed: _put(client, typed, replace=True), said)

    def action_remove(self) -> None:
        if (row := self.row) is None:
            return
        question = Question(
            "Remove an alias",
            Content.assemble(
                "Mail for ",
                foreign(row.address, LINE, "bold"),
                " is refused from now on, unless a user has the address.",
            ),
            "Remove",
            danger=True,
        )
        self.act(question, lambda client, _: client.remove_alias(row.address), said)


def _put(client: Client, typed: str, *, replace: bool) -> str:
    address, _, behind = typed.partition("=")
    names = tuple(one for part in behind.split(",") if (one := part.strip()))
    return client.add_aliases(AddAliases((AliasView(address.strip(), names),), replace=replace))


def _wrong(typed: str) -> str:
    address, equals, behind = typed.partition("=")
    return (
        ""
        if address.strip() and equals and behind.strip(" ,")
        else "write: office@ship.test = anna, bert"
    )


def _behind(alias: AliasView) -> Content:
    return join([foreign(one, LINE) for one in alias.to], ", ")
