"""A corpus small enough to scan, and what each query means said in the plainest way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.mail.feed import Mail
from appliance.mail.views import RecipientStatus
from appliance.search.catalogue import Document, Kind, Lookups, Mark
from appliance.search.entry import entry
from appliance.search.find import Found, Search
from appliance.search.index import CATALOGUE, Index
from appliance.search.pool import Pool
from appliance.search.text import extract
from appliance.search.tree import (
    And,
    Identity,
    Named,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Received,
    Standing,
    Word,
)


@dataclass(frozen=True)
class Letter:
    """A message of a test."""

    queue_id: str
    content: bytes
    sender: str = "anna@site.test"
    recipients: tuple[str, ...] = ("bob@site.test",)
    received_at: int = 0
    status: frozenset[RecipientStatus] = frozenset({RecipientStatus.DELIVERED})

    def mail(self) -> Mail:
        return Mail(
            queue_id=self.queue_id,
            sender=self.sender,
            recipients=self.recipients,
            received_at=self.received_at,
            size=len(self.content),
            status=self.status,
        )

    def entry(self) -> tuple[Document, dict[str, list[str]]]:
        return entry(self.mail(), extract(self.content))


def letter(number: int, body: str = "", **fields: str) -> Letter:
    """A message with header fields, by number."""
    header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    content = f"{header}Message-ID: <{number}@site.test>\r\n\r\n{body}\r\n".encode()
    return Letter(f"TESTTESTTE{number:04d}", content, received_at=number * 1000)


def add(index: Index, letters: Sequence[Letter], batch: int = 1 << 30) -> None:
    """Index letters in batches, as the indexer does."""
    pool, documents = Pool(), list[Document]()
    for place, one in enumerate(letters, 1):
        document, fields = one.entry()
        pool.add(document.queue_id, fields)
        documents.append(document)
        if len(pool) >= min(batch, index.room_left()) or place == len(letters):
            index.commit(pool, documents, replace_mark(index.mark, place))
            pool, documents = Pool(), []


def replace_mark(mark: Mark, lsn: int) -> Mark:
    return Mark(mark.spool, lsn, mark.tips, mark.complete)


def find(
    index: Index, node: Node, wanted: int = 50, before: int | None = None, damaged: bool = False
) -> Found:
    """Search without a limit of time; a damaged unit fails the test unless it is expected."""
    lookups = Lookups(index.folder / CATALOGUE)
    try:
        search = Search(node, index.units, lookups, index.report, lambda: False)
        found = search.newest(wanted, before)
    finally:
        lookups.close()
    assert damaged or not found.skipped
    return found


def found_ids(index: Index, node: Node, wanted: int = 50) -> list[str]:
    """The queue ids of the newest hits."""
    lookups = Lookups(index.folder / CATALOGUE)
    try:
        return [lookups.document(one)[0] for one in find(index, node, wanted).positions]
    finally:
        lookups.close()


def brute_force(letters: Sequence[Letter], node: Node, wanted: int = 50) -> list[str]:
    """The queue ids of the newest letters that fit, by looking at every one of them."""
    entries = [one.entry() for one in reversed(letters)]
    return [document.queue_id for document, fields in entries if fits(node, document, fields)][
        :wanted
    ]


def fits(node: Node, document: Document, fields: dict[str, list[str]]) -> bool:
    match node:
        case Received():
            late = node.start is None or document.received >= node.start
            return late and (node.end is None or document.received < node.end)
        case Standing():
            return bool(document.state & node.states)
        case Named():
            return (int(node.kind), node.name) in document.names
        case Identity():
            known = (int(Kind.MESSAGE_ID), node.text) in document.names
            return known or document.queue_id == node.text.upper()
        case And():
            return all(fits(part, document, fields) for part in node.parts)
        case Or():
            return any(fits(part, document, fields) for part in node.parts)
        case Not():
            return not fits(node.part, document, fields)
    return _text_fits(node, fields)


def _text_fits(node: Word | Prefix | Phrase, fields: dict[str, list[str]]) -> bool:
    match node:
        case Word():
            return any(node.word in some for some in _fields(node.field, fields))
        case Prefix():
            some = [word for one in _fields(node.field, fields) for word in one]
            return any(word.startswith(node.prefix) for word in some)
        case Phrase():
            return any(_contains(some, node.words) for some in _fields(node.field, fields))


def _fields(name: str | None, fields: dict[str, list[str]]) -> list[list[str]]:
    return [fields[name]] if name else [fields["body"], fields["head"]]


def _contains(some: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return any(tuple(some[at : at + size]) == tuple(phrase) for at in range(len(some) - size + 1))


def gone(letters: Sequence[Letter], queue_ids: set[str]) -> list[Letter]:
    """What is left."""
    return [one for one in letters if one.queue_id not in queue_ids]


def restated(one: Letter, *status: RecipientStatus) -> Letter:
    return replace(one, status=frozenset(status))


def opened(folder: Path, room: int = 10_000) -> Index:
    """An index, opened."""
    index = Index(folder, room)
    index.open()
    return index
