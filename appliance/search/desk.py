"""Answers the search socket: questions in a thread of their own, beside the indexer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import apsw

from appliance.ipc.frames import ConnectionLost
from appliance.ipc.search import (
    Call,
    FindCall,
    Hit,
    MessagePreview,
    Page,
    Piece,
    PreviewCall,
    ReindexCall,
    Said,
    SearchPage,
    SearchView,
    Shown,
    Status,
    StatusCall,
)
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure
from appliance.mail.views import Unavailable
from appliance.mail.visible import visible
from appliance.search.catalogue import STATE_NAMES, Lookups, State
from appliance.search.find import Found, Search
from appliance.search.index import CATALOGUE, Index
from appliance.search.indexer import Indexer
from appliance.search.preview import preview
from appliance.search.query import Mistake, parse
from appliance.search.snippet import Meant, snippet
from appliance.search.source import Source
from appliance.search.text import MESSAGE_LIMIT, extract
from appliance.search.tree import Node, meant

MOST_HITS = 200
_BUDGET = 1_000
"""Milliseconds that a search may take; then it says how far it came."""
_SHOWN = 256 * 1024
"""Bytes of a hit that are read to show it."""
_SUBJECT, _PIECE, _ADDRESS = 200, 250, 320
_MOST_RECIPIENTS = 20


class Desk:
    """Reads `index` and, to show hits, `source`. `clock` is monotonic, `wall` since 1970, both in
    milliseconds. `told` hears who wants a new index; `asked` holds up others while a question is
    answered."""

    def __init__(
        self,
        index: Index,
        indexer: Indexer,
        source: Source,
        clock: Callable[[], int],
        wall: Callable[[], int],
        told: Callable[[str], None],
        asked: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._index = index
        self._indexer = indexer
        self._source = source
        self._clock = clock
        self._wall = wall
        self._told = told
        self._asked = asked
        self._lookups: Lookups | None = None
        self._era = -1
        self._thread = ThreadPoolExecutor(1, "search")

    def close(self) -> None:
        """End the thread, after what it is answering."""
        self._thread.submit(self._forget).result()
        self._thread.shutdown()

    # The search socket.

    def connected(self, peer: Peer[Said, Call]) -> None:
        """Everybody who may open the socket may ask."""

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        """Nothing is kept for a client."""

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        """No client pushes."""

    async def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        match message:
            case FindCall():
                loop = asyncio.get_running_loop()
                return Page(await loop.run_in_executor(self._thread, self.find, message))
            case PreviewCall():
                loop = asyncio.get_running_loop()
                asked = message.queue_id
                return Shown(await loop.run_in_executor(self._thread, self.preview, asked))
            case StatusCall():
                return Status(self.view())
            case ReindexCall():
                self._told(message.by)
                self._indexer.reindex()
                return Status(self.view())

    def view(self) -> SearchView:
        """How the index is."""
        index, progress = self._index, self._indexer.progress
        return SearchView(
            activity=str(progress.activity),
            documents=index.documents,
            waiting=progress.waiting,
            lag=progress.lag,
            total=progress.total,
            complete=progress.complete,
            partitions=len(index.partitions),
            damaged=len(index.damaged),
            size=index.size,
        )

    # In the thread.

    def find(self, call: FindCall) -> SearchPage:
        """Answer a question; raises CallFailed."""
        try:
            node = parse(call.query, self._wall())
        except Mistake as error:
            raise CallFailed(Failure("bad request", str(error), error.hint, True)) from error
        before = _place(call.after)
        try:
            with self._asked():
                return self._page(node, call, before)
        except (apsw.Error, Unavailable) as error:
            self._forget()
            raise CallFailed(Failure("unavailable", str(error))) from error

    def preview(self, queue_id: str) -> MessagePreview:
        """How a message looks; raises CallFailed."""
        try:
            found = next(self._source.letters((queue_id,), MESSAGE_LIMIT), None)
        except Unavailable as error:
            raise CallFailed(Failure("unavailable", str(error))) from error
        if found is None:
            raise CallFailed(Failure("not found", f"no message {visible(queue_id, 80)}", "", True))
        return preview(*found)

    def _page(self, node: Node, call: FindCall, before: int | None) -> SearchPage:
        lookups = self._opened()
        end = self._clock() + _BUDGET
        search = Search(
            node, self._index.units, lookups, self._index.report, lambda: self._clock() >= end
        )
        found = search.newest(min(max(call.limit, 1), MOST_HITS), before)
        words = meant(node)
        hits = [self._hit(lookups, position, words, call.snippets) for position in found.positions]
        return SearchPage(
            hits=tuple([hit for hit in hits if hit is not None]),
            after=str(found.reached) if found.more else "",
            searched_to=self._searched_to(lookups, found),
            missing=self._missing(found),
        )

    def _opened(self) -> Lookups:
        if self._era != self._index.era:  # another index lies there now
            self._forget()
        if self._lookups is None:
            self._era = self._index.era
            self._lookups = Lookups(self._index.folder / CATALOGUE)
        return self._lookups

    def _forget(self) -> None:
        if self._lookups is not None:
            self._lookups.close()
            self._lookups = None
        self._source.close()

    def _hit(self, lookups: Lookups, position: int, words: Meant, snippets: bool) -> Hit | None:
        """A message as it is shown; None if it was pruned a moment ago."""
        try:
            queue_id, received, state = lookups.document(position)
        except LookupError:
            return None
        found = next(self._source.letters((queue_id,), _SHOWN), None)
        if found is None:
            return None
        mail, content = found
        text = extract(content[:_SHOWN])
        pieces = snippet(text.body, words) if snippets else []
        recipients = mail.recipients[:_MOST_RECIPIENTS]
        return Hit(
            queue_id=queue_id,
            sender=visible(mail.sender, _ADDRESS),
            recipients=tuple([visible(one, _ADDRESS) for one in recipients]),
            subject=visible(" ".join(text.subject.split()), _SUBJECT),
            received_at=received,
            size=mail.size,
            status=tuple([name for name, bit in STATE_NAMES.items() if State(state) & bit]),
            snippet=tuple([Piece(visible(piece, _PIECE), hit) for piece, hit in pieces]),
        )

    def _searched_to(self, lookups: Lookups, found: Found) -> int | None:
        if found.timely:
            return None
        try:
            return lookups.document(found.reached)[1]
        except LookupError:
            return None

    def _missing(self, found: Found) -> str:
        progress = self._indexer.progress
        if found.skipped or self._index.damaged:
            return "a damaged part of the index is being rebuilt"
        if not progress.complete:
            return f"the index is not complete yet ({progress.activity})"
        return ""


def _place(after: str) -> int | None:
    if not after:
        return None
    if not after.isascii() or not after.isdecimal() or len(after) > 18:
        failure = Failure(
            "bad request", f"no place {after!r}", "take it from the page before", True
        )
        raise CallFailed(failure)
    return int(after)
