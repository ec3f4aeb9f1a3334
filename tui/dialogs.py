"""Dialogs over a screen: a question before a change, help, the list of screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList
from textual.widgets.option_list import Option

from tui.registry import Entry
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line, Text


@dataclass(frozen=True)
class Question:
    """What is asked before a change, in proportion to its danger.

    `says`: what will happen, in plain words. `yes`: the word on the button that does it.
    `word` must be typed first: the node's name, for what cannot be taken back. `field` asks for a
    value instead, which `check` may refuse by saying why ("" if it is well).
    """

    title: str
    says: Content
    yes: str
    danger: bool = False
    word: str = ""
    field: str = ""
    value: str = ""
    secret: bool = False
    check: Callable[[str], str] | None = None


class Dialog(ModalScreen[str | None]):
    """Asks a `Question`; gives what was typed, "" if nothing had to be, None for no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "No"),
        Binding("y", "yes", "Yes"),
        Binding("n", "no", "No", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        asked = self._question
        with Vertical(classes="dialog -danger" if asked.danger else "dialog"):
            sign = ("▲ ", "bold $error") if asked.danger else ""
            yield Line(Content.assemble(sign, (asked.title, "bold")), classes="dialog-title")
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Text(asked.says)
            if asked.word:
                yield Line(Content.assemble("To do it, type ", (asked.word, "bold"), ":"))
            elif asked.field:
                yield Line(Content(asked.field))
            if asked.word or asked.field:
                yield InputLine(asked.value, password=asked.secret, compact=True)
                yield Line(name="wrong")
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content(asked.yes), id="yes", compact=True, flat=True)
                yield Button(Content("No, leave it (Esc)"), id="no", compact=True, flat=True)

    def on_mount(self) -> None:
        typed = self.query(Input)
        if typed:
            typed.first().focus()
        else:
            self.query_one("#no" if self._question.danger else "#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.action_no()

    def on_input_submitted(self) -> None:
        self.action_yes()

    def on_input_changed(self) -> None:
        self.query_one("#wrong", Line).show(Content())

    def action_yes(self) -> None:
        asked = self._question
        typed = self.query_one(Input).value if self.query(Input) else ""
        wrong = ""
        if asked.word and typed.strip() != asked.word:
            wrong = f"that is not {asked.word}"
        elif asked.check is not None:
            wrong = asked.check(typed)
        if wrong:
            self.query_one("#wrong", Line).show(Content.assemble(("✖ ", "$error"), wrong))
            return
        self.dismiss(typed)

    def action_no(self) -> None:
        self.dismiss(None)


class Help(ModalScreen[None]):
    """What a screen is for, and all its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,enter,q", "close", "Close"),
    ]

    def __init__(self, title: str, about: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._keys = keys

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall"):
            yield Line(Content.assemble((self._title, "bold")), classes="dialog-title")
            with VerticalScroll():
                yield Text(Content(" ".join(self._about.split()) + "\n"))
                width = max((len(key) for key, _ in self._keys), default=0)
                yield Text(
                    Content("\n").join(
                        [
                            Content.assemble(
                                (key.ljust(width), "bold $footer-key-foreground"), f"  {what}"
                            )
                            for key, what in self._keys
                        ]
                    )
                )
            yield Line(Content.assemble(("Esc closes this", "$quiet")))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_close(self) -> None:
        self.dismiss()


class Screens(ModalScreen[str | None]):
    """All screens with their keys, to choose one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f2,ctrl+o", "close", "Close")]

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__()
        self._entries = entries

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Line(Content.assemble(("Screens", "bold")), classes="dialog-title")
            width = max(len(one.title) for one in self._entries)
            yield OptionList(
                *[
                    Option(
                        Content.assemble(
                            (one.key, "bold $footer-key-foreground"),
                            f"  {one.title.ljust(width)}  ",
                            (one.about, "$quiet"),
                        ),
                        id=one.name,
                    )
                    for one in self._entries
                ],
                compact=True,
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def on_key(self, event: object) -> None:
        key = getattr(event, "character", None)
        for one in self._entries:
            if key == one.key:
                self.dismiss(one.name)

    def action_close(self) -> None:
        self.dismiss(None)
