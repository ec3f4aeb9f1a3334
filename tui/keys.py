"""Keys act in the order in which they come, however slow the machine is."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Generic, TypeVar

from textual.app import App
from textual.events import Event, Key, Paste
from textual.message import Message
from textual.message_pump import MessagePump

T = TypeVar("T")
_LAPS = 3
"""Behind the first comes what the key made a widget say; behind the second, what that led to."""
_LOST = 1.0
"""Seconds: a widget that is removed meanwhile gives nothing back."""


class Turn(Message):
    """Goes the way that a key has gone: when it is back, the key has acted."""

    def __init__(self, at: MessagePump, laps: int) -> None:
        super().__init__()
        self.at = at
        self.laps = laps


class OneKeyAtATime(App[T], Generic[T]):
    """Textual hands on a key before the one before it has acted.

    On a slow machine, or when text is pasted, what is typed after a Backspace then comes before it,
    and a password that follows an Enter is shown in the field for the name.
    """

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[Key | Paste] = deque()
        self._turn: Turn | None = None

    async def on_event(self, event: Event) -> None:
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._turn is not None:
            self.set_timer(_LOST, partial(self._give_up, self._turn))
        await self._hand_on()

    async def _hand_on(self) -> None:
        while self._typed and self._turn is None:
            at: MessagePump = self.focused or self.screen
            await super().on_event(self._typed.popleft())
            self._send(at, _LAPS)

    def _send(self, at: MessagePump, laps: int) -> None:
        turn = Turn(at, laps)
        self._turn = turn if laps and at.post_message(turn) else None

    async def on_turn(self, turn: Turn) -> None:
        """One lap is over."""
        if turn is self._turn:
            self._send(turn.at, turn.laps - 1)
            await self._hand_on()

    async def _give_up(self, turn: Turn) -> None:
        if turn is self._turn:
            self._turn = None
            await self._hand_on()
