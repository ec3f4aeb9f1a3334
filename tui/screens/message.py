"""One message: where its recipients stand, what happened to it, and a look at its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from appliance.control.roles import Role
from appliance.mail.figures import bytes_text, counted, time_text
from appliance.mail.views import MessageStory, RecipientView, Step
from tui.node import Trouble
from tui.page import Page, problem
from tui.registry import Entry
from tui.screens.preview import preview_text
from tui.screens.queue_changes import change, export
from tui.screens.queue_words import sender_text, states_text
from tui.text import LINE, foreign, lines, moment
from tui.widgets.line import Text

ENTRY = Entry("", "Message", "message:Message", "one message and its story")


class Message(Page):
    """What this node knows about a message."""

    ABOUT: ClassVar[str] = """
        One message: its recipients with the last word of who was asked to take them, then what
        happened to it, the latest last. Below that its text, made harmless: nothing in it can
        act, links and escapes are plain characters. Esc leads back.
    """
    NEEDS: ClassVar = {"change": Role.OPERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("h", "change('hold')", "Hold"),
        Binding("l", "change('release')", "Release"),
        Binding("r", "change('retry')", "Retry"),
        Binding("d", "change('redirect')", "Redirect"),
        Binding("x", "change('remove')", "Remove"),
        Binding("e", "export", "Export"),
    ]

    def __init__(self, queue_id: str) -> None:
        super().__init__(ENTRY)
        self._queue_id = queue_id
        self._story: MessageStory | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll():
            yield Text(name="head")
            yield Text(name="recipients")
            yield Text(name="steps")
            yield Text(name="preview")

    def begin(self) -> None:
        self.follow(lambda client: client.message(self._queue_id), self._show, fail=self._fail)
        if self.console.may(Role.OPERATOR):
            self.run_worker(self._look())

    async def _look(self) -> None:
        """What a message says never changes: it is read once."""
        try:
            seen = await self.node.ask(lambda client: client.preview(self._queue_id))
            told = Content.assemble(_heading("what it says"), "\n", preview_text(seen))
        except Trouble as trouble:
            told = Content.assemble(_heading("what it says"), "\n", problem(trouble))
        self.query_one("#preview", Text).show(told)

    def _show(self, story: MessageStory) -> None:
        self._story = story
        self.query_one("#head", Text).show(_head(story))
        self.query_one("#recipients", Text).show(lines(list(_recipients(story))))
        self.query_one("#steps", Text).show(lines(list(_steps(story))))

    def _fail(self, trouble: Trouble) -> None:
        if trouble.code == "not_found":
            self._story = None
            self.query_one("#head", Text).show(problem(trouble))
            return
        self.trouble(trouble)

    def action_change(self, action: str) -> None:
        """Do something to the message, after asking where it matters."""
        if self._story is not None:
            change(self, action, [self._story])

    def action_export(self) -> None:
        if self._story is not None:
            export(self, [self._story])

    def action_back(self) -> None:
        self.app.pop_screen()


def _head(story: MessageStory) -> Content:
    client = Content.assemble(foreign(story.helo, 60), " [", foreign(story.client, 50), "]")
    rows = [
        ("message", Content.assemble((story.queue_id, "bold"), f"  {bytes_text(story.size)}")),
        ("from", sender_text(story.sender)),
        ("received", Content(f"{moment(story.received_at)}, {time_text(story.age)} ago")),
        ("by way of", client if story.client else Content("this node itself")),
        ("owner", Content.assemble("node ", foreign(story.owner, 40))),
    ]
    if story.envid:
        rows.append(("envelope id", foreign(story.envid, 100)))
    return lines([Content.assemble((label.ljust(12), "$quiet"), said) for label, said in rows])


def _recipients(story: MessageStory) -> Iterator[Content]:
    yield _heading(counted(len(story.recipients), "recipient"))
    for one in story.recipients:
        moved = one.original != one.address
        was = Content.assemble(" (was ", foreign(one.original), ")") if moved else Content()
        yield Content.assemble(foreign(one.address), was, "  ", states_text([str(one.status)]))
        if detail := _detail(one):
            yield Content.assemble((f"    {detail}", "$quiet"))
        if one.reply:
            remote = Content.assemble(" (", foreign(one.remote, 60), ")") if one.remote else ""
            yield Content.assemble(
                ("    last reply", "$quiet"), remote, ": ", foreign(one.reply, LINE)
            )


def _detail(one: RecipientView) -> str:
    told = []
    if one.tries:
        told.append(f"tried {counted(one.tries, 'time')}")
    if one.due_in is not None:
        told.append(f"next try in {time_text(one.due_in)}" if one.due_in > 0 else "due now")
    if one.mailbox:
        told.append("in a mailbox")
    if one.deliveries > 1:
        told.append(f"delivered {one.deliveries} times")
    if one.doubts:
        told.append(counted(one.doubts, "doubtful attempt"))
    return ", ".join(told)


def _steps(story: MessageStory) -> Iterator[Content]:
    if story.steps:
        yield _heading("what happened")
    for step in story.steps:
        yield _step(step)


def _step(step: Step) -> Content:
    about = f" [{','.join(map(str, step.recipients))}]" if step.recipients else ""
    detail = Content.assemble(": ", foreign(step.detail, LINE)) if step.detail else Content()
    ago = Content.assemble((f"{time_text(step.ago):>10} ago  ", "$quiet"))
    return Content.assemble(
        ago, foreign(step.node, 12), "  ", foreign(step.kind, 20), about, detail
    )


def _heading(text: str) -> Content:
    return Content.assemble("\n", (text, "bold $primary"))
