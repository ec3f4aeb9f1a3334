"""Rows for a table: a list, or a million that the node is asked for page by page."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
_CACHED = 64
"""Pages in memory; others are asked for again when somebody goes back to them."""


class Rows(Protocol[R_co]):
    """What a table shows. `more`: there are, or may be, rows behind the last one."""

    @property
    def count(self) -> int: ...

    @property
    def more(self) -> bool: ...

    def row(self, index: int) -> R_co | None:
        """A row, None while it is not here."""

    async def want(self, first: int, last: int) -> bool:
        """Bring these rows nearer; False if they are here as far as there are any.

        Raises Trouble.
        """

    async def renew(self, first: int, last: int) -> None:
        """Read these rows again, as they may have changed. Raises Trouble."""


class ListRows(Generic[R]):
    """Rows that are all here."""

    more = False

    def __init__(self, rows: Sequence[R] = ()) -> None:
        self._rows = rows

    @property
    def count(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> R | None:
        return self._rows[index] if index < len(self._rows) else None

    async def want(self, first: int, last: int) -> bool:
        return False

    async def renew(self, first: int, last: int) -> None:
        return


@dataclass(frozen=True)
class Chunk(Generic[R]):
    """A page as it was read; `after` asks for the next one, "" if it was the last."""

    rows: Sequence[R]
    after: str


@dataclass(frozen=True)
class _Place:
    first: int
    count: int
    cursor: str


class PagedRows(Generic[R]):
    """Rows behind cursors, read forward as they are needed.

    Where each page begins is remembered, its rows only as long as they are among the last used.
    """

    def __init__(self, read: Callable[[str], Awaitable[Chunk[R]]]) -> None:
        self._read = read
        self._places: list[_Place] = []
        self._next: str | None = ""
        self._reading = asyncio.Lock()
        self._pages: OrderedDict[int, Sequence[R]] = OrderedDict()

    @property
    def count(self) -> int:
        """Rows that are known of."""
        return self._places[-1].first + self._places[-1].count if self._places else 0

    @property
    def more(self) -> bool:
        """There may be rows behind them."""
        return self._next is not None

    def row(self, index: int) -> R | None:
        if not 0 <= index < self.count:
            return None
        number = self._page_of(index)
        rows = self._pages.get(number)
        offset = index - self._places[number].first
        return rows[offset] if rows is not None and offset < len(rows) else None

    async def want(self, first: int, last: int) -> bool:
        async with self._reading:
            return await self._want(first, last)

    async def renew(self, first: int, last: int) -> None:
        async with self._reading:
            if not self.count:
                self._next = ""
                await self._want(first, last)
                return
            for number in range(self._page_of(first), self._page_of(last) + 1):
                if number < len(self._places):
                    await self._renew_page(number)

    async def _want(self, first: int, last: int) -> bool:
        if self.more and self.count <= last:
            # One page, then what is here is shown: a filter may look for long.
            await self._go_on()
            return True
        changed = False
        if not self.count:
            return changed
        for number in range(self._page_of(first), self._page_of(min(last, self.count - 1)) + 1):
            if number in self._pages:
                self._pages.move_to_end(number)
                continue
            chunk = await self._read(self._places[number].cursor)
            self._keep(number, chunk.rows)
            changed = True
        return changed

    async def _renew_page(self, number: int) -> None:
        place = self._places[number]
        chunk = await self._read(place.cursor)
        follows = self._places[number + 1].cursor if number + 1 < len(self._places) else self._next
        if (chunk.after or None) != follows or len(chunk.rows) != place.count:
            # What follows begins elsewhere now: it is read anew from here on.
            for later in range(number + 1, len(self._places)):
                self._pages.pop(later, None)
            del self._places[number + 1 :]
            self._places[number] = _Place(place.first, len(chunk.rows), place.cursor)
            self._next = chunk.after or None
        self._keep(number, chunk.rows)

    async def _go_on(self) -> None:
        cursor = self._next or ""
        chunk = await self._read(cursor)
        if chunk.rows:  # a filter may have found nothing in what was looked at
            self._places.append(_Place(self.count, len(chunk.rows), cursor))
            self._keep(len(self._places) - 1, chunk.rows)
        self._next = chunk.after or None

    def _keep(self, number: int, rows: Sequence[R]) -> None:
        self._pages[number] = rows
        while len(self._pages) > _CACHED:
            self._pages.popitem(last=False)

    def _page_of(self, index: int) -> int:
        return max(0, bisect_right(self._places, index, key=lambda one: one.first) - 1)
