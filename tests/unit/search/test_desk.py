"""The search socket: pages, mistakes, what an answer lacks; texts that can do no harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from appliance.ipc.search import FindCall, SearchPage
from appliance.ipc.wire import CallFailed
from appliance.search.desk import Desk
from appliance.spool.feed import Feed
from tests.unit.search.test_indexer import Rig


class Counter:
    """The desk of a rig, asked without a socket."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.feed = Feed(folder / "spool")
        self.told = list[str]()
        rig = self.rig
        self.desk = Desk(
            rig.index,
            rig.indexer,
            self.feed,
            lambda: rig.now,
            lambda: 0,
            self.told.append,
            nullcontext,
        )

    def find(self, query: str, limit: int = 20, after: str = "") -> SearchPage:
        return self.desk.find(FindCall(query, limit, after))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    yield counter
    counter.desk.close()
    counter.rig.stop()
    counter.rig.writer.close()


def test_a_hit_tells_what_it_is(counter: Counter) -> None:
    name = counter.rig.accept("tide tables")
    counter.rig.settle()
    (hit,) = counter.find("tide").hits
    assert (hit.queue_id, hit.sender, hit.subject) == (name, "sender@site.test", "tide tables")
    assert hit.recipients == ("al@one.test",)
    assert hit.status == ("queued",)
    assert [(one.text, one.hit) for one in hit.snippet] == [("tide", True), (" tables", False)]


def test_a_message_is_looked_at(counter: Counter) -> None:
    name = counter.rig.accept("tide tables")
    shown = counter.desk.preview(name)  # indexed or not
    assert (shown.subject, shown.text, shown.attachments) == ("tide tables", "tide tables", ())
    with pytest.raises(CallFailed, match="not found: no message nobody"):
        counter.desk.preview("nobody\x1b")


def test_pages(counter: Counter) -> None:
    names = [counter.rig.accept("tide") for _ in range(25)]
    counter.rig.settle()
    first = counter.find("tide", 10)
    counter.rig.accept("tide")
    counter.rig.settle()
    second = counter.find("tide", 10, first.after)
    third = counter.find("tide", 10, second.after)
    pages = [hit.queue_id for page in (first, second, third) for hit in page.hits]
    assert pages == names[::-1]
    assert third.after == ""


@pytest.mark.parametrize(
    "query, after", [("form:anna", ""), ("tide", "x"), ("tide", "9" * 30), ("tide", "²")]
)
def test_what_cannot_be_meant(counter: Counter, query: str, after: str) -> None:
    counter.rig.settle()
    with pytest.raises(CallFailed) as caught:
        counter.find(query, after=after)
    assert caught.value.failure.code == "bad request"
    assert caught.value.failure.hint


def test_foreign_text_comes_out_harmless(counter: Counter) -> None:
    content = b"Subject: \x1b[2J tide\r\n\r\n\x1b]0;evil\x07 tide \x9b\xe2\x80\xae\r\n"
    counter.rig.writer.accept(content=content)
    counter.rig.settle()
    (hit,) = counter.find("tide").hits
    told = hit.subject + "".join(one.text for one in hit.snippet)
    assert told.isprintable()
    assert "\\x1b" in hit.subject


def test_a_message_pruned_meanwhile_is_left_out(counter: Counter) -> None:
    counter.rig.accept("tide")
    kept = counter.rig.accept("tide")
    counter.rig.settle()
    counter.rig.writer.db.execute("DELETE FROM message WHERE key=(SELECT min(key) FROM message)")
    assert [hit.queue_id for hit in counter.find("tide").hits] == [kept]


def test_an_incomplete_index_says_so(counter: Counter) -> None:
    counter.rig.settle()
    assert counter.find("tide").missing == ""
    counter.rig.indexer.reindex()
    assert "not complete yet" in counter.find("tide").missing
    counter.rig.settle()
    assert counter.find("tide").missing == ""


def test_a_new_index_is_asked_after_reindexing(counter: Counter) -> None:
    names = [counter.rig.accept("tide") for _ in range(3)]
    counter.rig.settle()
    assert len(counter.find("from:sender@site.test").hits) == 3
    counter.rig.indexer.reindex()
    counter.rig.settle()
    found = counter.find("from:sender@site.test").hits
    assert [hit.queue_id for hit in found] == names[::-1]


def test_how_it_is(counter: Counter) -> None:
    for _ in range(3):
        counter.rig.accept("tide")
    counter.rig.settle()
    view = counter.desk.view()
    assert (view.documents, view.waiting, view.total, view.complete) == (3, 0, 3, True)
    assert view.activity == "idle"
    assert view.size > 0
