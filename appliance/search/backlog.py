"""Messages that are known of and not indexed yet, in order, with the marks that they lead to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from appliance.search.catalogue import Mark


class Reached(NamedTuple):
    """A place in the journal; `at`: when there was nothing behind it, None if there was."""

    mark: Mark
    at: int | None


class Backlog:
    """First in, first out."""

    def __init__(self) -> None:
        self._ids = deque[str]()
        self._marks = deque[tuple[int, Reached]]()
        self._expected = 0

    def __len__(self) -> int:
        return len(self._ids)

    def expect(self, queue_ids: Iterable[str]) -> None:
        """More messages."""
        before = len(self._ids)
        self._ids.extend(queue_ids)
        self._expected += len(self._ids) - before

    def mark(self, mark: Mark, at: int | None) -> None:
        """All up to `mark` is indexed once what is expected so far was taken."""
        if self._marks and self._marks[-1][0] == self._expected:
            self._marks.pop()
        self._marks.append((self._expected, Reached(mark, at)))

    def take(self, most: int) -> list[str]:
        """The next messages."""
        return [self._ids.popleft() for _ in range(min(most, len(self._ids)))]

    def reached(self) -> Reached | None:
        """The last mark that all was taken of, once."""
        taken, reached = self._expected - len(self._ids), None
        while self._marks and self._marks[0][0] <= taken:
            reached = self._marks.popleft()[1]
        return reached

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._marks.clear()
