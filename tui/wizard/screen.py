"""The first boot, a question a page: each answer is checked as it is given; one can go back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, OptionList
from textual.widgets.option_list import Option

from appliance.control.schema_people import OpenedSession
from appliance.control.schema_setup import AnswersView, CheckView, SetupView
from tui.node import UNAUTHORIZED, Node, Trouble
from tui.page import problem
from tui.text import EMPTY, LINE, foreign, lines
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line, Text
from tui.wizard.answers import Answers, Mistake, cleaned, restores
from tui.wizard.steps import Step, so_far, steps
from tui.wizard.summary import summary

_LOOK = 30.0
_SET_UP = 120.0
_RESTORE = 6 * 3600.0
_PROGRESS = 1.0
_AGAIN = 0.5
_ELSEWHERE = 5.0
"""Seconds."""
_TRIES = 120


@dataclass(frozen=True)
class Founded:
    """What came of it: the administrator's session, None where operators come from the pair.

    `invites`: a code is to be shown for the other node.
    """

    session: OpenedSession | None
    invites: bool


class Wizard(Screen[Founded]):
    """Ends when the node runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(self, node: Node, view: SetupView) -> None:
        super().__init__()
        self._node = node
        self._view = view
        self._answers: Answers = dict(view.answers)
        self._at = 0
        self._insisted: object = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._shown: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="wizard"):
            yield Line(name="step")
            with VerticalScroll(id="page", can_focus=False):
                pass
            yield Text(name="verdict")
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content("Back (Esc)"), id="back", compact=True, flat=True)
                yield Button(Content("Next (Enter)"), id="next", compact=True, flat=True)

    async def on_mount(self) -> None:
        await self._show()
        self.run_worker(self._until_elsewhere(), group="elsewhere")

    @property
    def _steps(self) -> Sequence[Step]:
        return steps(self._answers, self._view)

    @property
    def _step(self) -> Step | None:
        """The page that is seen; None on the last one, which sums up."""
        found = self._steps
        return found[self._at] if self._at < len(found) else None

    async def _show(self) -> None:
        step, of = self._step, len(self._steps) + 1
        if step is not None and step.live:
            with suppress(Trouble):
                seeks = step.seeks
                self._view = await self._node.ask(lambda client: client.setup(seeks), _LOOK)
        title = step.title if step is not None else "All of it"
        page = self.query_one("#page", VerticalScroll)
        async with self.batch():
            await page.remove_children()
            if step is None:
                await page.mount(Text(summary(self._answers, self._view)))
            else:
                await page.mount(Text(Content(step.about + "\n")))
                await self._mount(page, step)
        word = "Set up this node (Enter)" if step is None else "Next (Enter)"
        button = self.query_one("#next", Button)
        button.label = Content(word)
        button.refresh(layout=True)
        self.query_one("#back", Button).disabled = self._at == 0
        self._shown = self._typed(step) if step is not None else {}
        self._focus()
        # Last: whoever reads the title may type.
        self.query_one("#step", Line).show(
            Content.assemble(
                ("Twinpost", "bold"), f"  first boot, {self._at + 1} of {of}: ", (title, "bold")
            )
        )

    async def _mount(self, page: VerticalScroll, step: Step) -> None:
        if step.choices:
            options = [Option(Content(text), id=name) for name, text in step.choices]
            await page.mount(OptionList(*options, compact=True, id="choice"))
            names = [name for name, _ in step.choices]
            chosen = self._answers.get("pair")
            self.query_one("#choice", OptionList).highlighted = (
                names.index(chosen) if chosen in names else 0
            )
        words = step.words(self._view)
        for field in step.fields:
            await page.mount(
                Line(Content(field.label)),
                InputLine(
                    field.value(self._answers, self._view),
                    password=field.secret,
                    compact=True,
                    id=field.key,
                    max_length=1024,
                    suggester=SuggestFromList(words, case_sensitive=False) if words else None,
                ),
            )
        await page.mount(Text(step.told(self._view)))

    def _focus(self) -> None:
        wanted = self.query("#page Input, #page OptionList")
        (wanted.first() if wanted else self.query_one("#next")).focus()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter goes from line to line, and from the last one to the next page."""
        inputs = list(self.query("#page Input"))
        if event.input is inputs[-1]:
            self._next()
        else:
            inputs[inputs.index(event.input) + 1].focus()

    @on(Input.Changed)
    def _changed(self) -> None:
        self._insisted = None

    @on(OptionList.OptionSelected)
    def _chosen(self) -> None:
        self._next()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "next":
            self._next()
        else:
            self.action_back()

    def action_back(self) -> None:
        """What stands on this page is not taken; what was taken before stays."""
        if self._at and self._idle.is_set():
            self._at -= 1
            self._tell(EMPTY)
            self.run_worker(self._show(), group="page", exclusive=True)

    def _next(self) -> None:
        if self._idle.is_set():
            self._idle.clear()
            self.run_worker(self._go_on(), group="page", exclusive=True)

    async def _go_on(self) -> None:
        try:
            if (step := self._step) is not None:
                await self._take(step)
            else:
                await self._set_up()
        finally:
            self._idle.set()

    async def _take(self, step: Step) -> None:
        answers: Answers = dict(self._answers)
        typed = self._typed(step)
        try:
            if step.live and typed != self._shown:
                # It is true when it is entered: not when the page began.
                self._view = await self._node.ask(lambda client: client.setup())
            step.put(answers, typed, self._view)
        except Trouble as trouble:
            self._tell(problem(trouble))
            return
        except Mistake as mistake:
            self._tell(_refused(str(mistake), mistake.hint))
            return
        self._tell(Content.assemble(("Looking …", "$quiet")))
        given = cleaned(so_far(answers, step))
        try:
            said = await self._node.ask(lambda client: client.give_answers(given, step.name), _LOOK)
        except Trouble as trouble:
            self._tell(problem(trouble))
            return
        if said.wrong:
            first = said.wrong[0]
            self._tell(_refused(first.what, first.hint))
            return
        if self._stays(said, answers):
            return
        self._answers = answers
        self._at += 1
        self._tell(lines([_verdict(one) for one in said.checks]))
        await self._show()

    def _stays(self, said: AnswersView, answers: Answers) -> bool:
        """What a look speaks against is taken when somebody insists on it."""
        against = [one for one in said.checks if one.ok is False]
        if not against or self._insisted == answers:
            return False
        self._insisted = answers
        more = Content.assemble(("Enter once more takes it all the same.", "$quiet"))
        self._tell(lines([*map(_verdict, against), more]))
        return True

    async def _set_up(self) -> None:
        answers = cleaned(self._answers)
        self._tell(Content("The node is set up; that may take a minute …"))
        patience = _RESTORE if restores(answers) else _SET_UP
        told = asyncio.create_task(self._tell_progress())
        try:
            await self._node.ask(lambda client: client.set_up(answers), patience)
        except Trouble as trouble:
            told.cancel()
            self._tell(problem(trouble))
            await self._spare_clock()
            return
        told.cancel()
        self._tell(Content("It is done. The node starts …"))
        self.query_one("#back", Button).disabled = True
        await self._until_node()
        session = await self._log_in(answers) if "administrator" in answers else None
        self.dismiss(Founded(session, answers["pair"] == "new"))

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS)
            with suppress(Trouble):
                if doing := (await self._node.ask(lambda client: client.setup())).progress:
                    self._tell(Content.assemble("The backup: ", foreign(doing, 60)))

    async def _spare_clock(self) -> None:
        """A clock that was set before something else failed is not set a second time."""
        with suppress(Trouble):
            self._view = await self._node.ask(lambda client: client.setup())
            self._answers["clock_step"] = self._view.answers.get("clock_step", 0)

    async def _until_elsewhere(self) -> None:
        """It is set up at another screen, or by answers that an installation has left."""
        await self._until_node(_ELSEWHERE)
        await self._idle.wait()
        if self.is_current:  # else it was here, and that has ended this screen
            self.dismiss(Founded(None, invites=False))

    async def _until_node(self, again: float = _AGAIN) -> None:
        """What serves the setup is gone, and the node answers in its place."""
        while True:
            try:
                setup = await self._node.ask(lambda client: client.setup())
                if setup.state == "configured":
                    return
            except Trouble as trouble:
                if trouble.code == UNAUTHORIZED:  # only a node has operators who may ask that
                    return
            await asyncio.sleep(again)

    async def _log_in(self, answers: Answers) -> OpenedSession | None:
        """As who was just named; None if the node takes too long: one logs in by hand then."""
        name, password = answers["administrator"]["name"], answers["administrator"]["password"]
        for _ in range(_TRIES):
            try:
                # Tried before the operator is there it would count as a wrong password.
                who = await self._node.ask(lambda client: client.who_am_i())
                if not who.first_run:
                    return await self._node.ask(lambda client: client.log_in(name, password))
            except Trouble:
                pass
            await asyncio.sleep(_AGAIN)
        return None

    def _typed(self, step: Step) -> dict[str, str]:
        if step.choices:
            at = self.query_one("#choice", OptionList).highlighted or 0
            return {"choice": step.choices[at][0]}
        fields = {one.key: self.query_one(f"#{one.key}", Input).value for one in step.fields}
        secret = {one.key for one in step.fields if one.secret}
        return {key: one if key in secret else one.strip() for key, one in fields.items()}

    def _tell(self, said: Content) -> None:
        self.query_one("#verdict", Text).show(said)


def _refused(what: str, hint: str) -> Content:
    said = Content.assemble(("✖ ", "$error"), foreign(what, LINE))
    return Content.assemble(said, ("  → ", "$quiet"), foreign(hint, LINE)) if hint else said


def _verdict(one: CheckView) -> Content:
    sign = {True: ("✔ ", "$success"), False: ("▲ ", "$warning"), None: ("? ", "$quiet")}[one.ok]
    said = Content.assemble(sign, foreign(one.what, 60), ": ", foreign(one.text, LINE))
    return Content.assemble(said, ("  → ", "$quiet"), foreign(one.hint)) if one.hint else said
