"""Rows behind cursors: read as needed, once; what changed underneath is read anew."""

from __future__ import annotations

from tui.rows import Chunk, PagedRows


class Store:
    """Numbers, newest (largest) first, in pages of ten; `read` is what was asked for."""

    def __init__(self, many: int) -> None:
        self.numbers = list(range(many, 0, -1))
        self.read: list[str] = []

    async def page(self, after: str) -> Chunk[int]:
        self.read.append(after)
        rest = [one for one in self.numbers if not after or one < int(after)]
        more = str(rest[9]) if len(rest) > 10 else ""
        return Chunk(rest[:10], more)


async def have(rows: PagedRows[int], first: int, last: int) -> None:
    while await rows.want(first, last):
        pass


def shown(rows: PagedRows[int]) -> list[int | None]:
    return [rows.row(index) for index in range(rows.count)]


async def test_only_what_is_wanted_is_read() -> None:
    store = Store(1000)
    rows = PagedRows(store.page)
    await have(rows, 0, 14)
    assert (rows.count, rows.more, len(store.read)) == (20, True, 2)
    assert not await rows.want(5, 15)
    assert len(store.read) == 2
    assert rows.row(19) == 981


async def test_pages_that_were_dropped_are_read_again() -> None:
    store = Store(2000)
    rows = PagedRows(store.page)
    for last in range(9, 2000, 10):
        await have(rows, last, last)
    assert not rows.more
    assert rows.row(0) is None
    await have(rows, 0, 0)
    assert rows.row(0) == 2000


async def test_new_rows_come_first_and_none_is_left_out() -> None:
    store = Store(30)
    rows = PagedRows(store.page)
    await have(rows, 0, 29)
    store.numbers[:0] = [32, 31]
    await rows.renew(0, 5)
    await have(rows, 0, 40)
    assert shown(rows) == store.numbers


async def test_rows_that_went_are_gone() -> None:
    store = Store(30)
    rows = PagedRows(store.page)
    await have(rows, 0, 29)
    del store.numbers[3:25]
    await rows.renew(0, 5)
    await have(rows, 0, 40)
    assert shown(rows) == store.numbers
    assert not rows.more


async def test_an_empty_store_fills() -> None:
    store = Store(0)
    rows = PagedRows(store.page)
    await have(rows, 0, 20)
    assert (rows.count, rows.more) == (0, False)
    store.numbers = [1]
    await rows.renew(0, 20)
    assert shown(rows) == [1]


async def test_a_filter_that_finds_little_shows_what_it_has() -> None:
    """A page that found nothing is an answer, too: nobody waits for the last one."""
    pages = {"": Chunk([9], "1"), "1": Chunk([], "2"), "2": Chunk[int]([5], "")}
    read: list[str] = []

    async def page(after: str) -> Chunk[int]:
        read.append(after)
        return pages[after]

    rows = PagedRows(page)
    assert await rows.want(0, 20)
    assert (shown(rows), rows.more, read) == ([9], True, [""])
    await have(rows, 0, 20)
    assert (shown(rows), rows.more, read) == ([9, 5], False, ["", "1", "2"])
