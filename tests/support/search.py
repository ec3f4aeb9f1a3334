"""A stand-in for the search process."""

from __future__ import annotations

from appliance.control.http import BadRequest
from appliance.ipc.search import (
    Attachment,
    Hit,
    MessagePreview,
    Piece,
    SearchPage,
    SearchView,
)
from appliance.mail.views import Unavailable

VIEW = SearchView(
    activity="idle",
    documents=7,
    waiting=0,
    lag=0,
    total=7,
    complete=True,
    partitions=1,
    damaged=0,
    size=4096,
)
HIT = Hit(
    queue_id="Q1",
    sender="alice@site.test",
    recipients=("a@x.test", "b@x.test", "c@x.test", "d@x.test"),
    subject="Tide tables",
    received_at=1_790_000_000_000,
    size=2048,
    status=("delivered",),
    snippet=(Piece("the ", False), Piece("tide", True), Piece(" of spring", False)),
)
PREVIEW = MessagePreview(
    queue_id="Q1",
    sender="Alice <alice@site.test>",
    to="a@x.test",
    cc="",
    subject="Tide tables",
    date="Sat, 31 Oct 2026 12:00:00 +0000",
    size=2048,
    text="the tide of spring",
    attachments=(Attachment(name="tides.pdf", type="application/pdf", size=1024),),
    complete=True,
)


class Search:
    def __init__(self) -> None:
        self.up = True
        self.asked: list[tuple[str, int, str, bool]] = []
        self.page = SearchPage(hits=(HIT,))
        self.views = [VIEW]
        self.told: list[str] = []

    async def find(self, query: str, limit: int, after: str, snippets: bool) -> SearchPage:
        if not self.up:
            raise Unavailable("the search process is not there")
        if query.startswith("form:"):
            raise BadRequest("there is no field form:", "did you mean from:?")
        self.asked.append((query, limit, after, snippets))
        return self.page

    async def preview(self, queue_id: str) -> MessagePreview:
        if queue_id != PREVIEW.queue_id:
            raise LookupError(f"no message {queue_id}")
        return PREVIEW

    async def view(self) -> SearchView:
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]

    async def reindex(self, by: str) -> SearchView:
        self.told.append(by)
        return self.views[0]
