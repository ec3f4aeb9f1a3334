"""What travels on a node's search socket: questions, pages of hits, how the index is."""

from __future__ import annotations

import msgspec

from appliance.ipc.wire import Codec


class FindCall(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """At most `limit` hits, the newest first, from behind `after`; answered with `Page`.

    Refused as "bad request" with a hint if the query cannot be meant.
    """

    query: str
    limit: int
    after: str = ""
    snippets: bool = True


class StatusCall(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answered with `Status`."""


class ReindexCall(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Throw the index away and make it anew from the spool; answered with `Status` at once."""

    by: str


class PreviewCall(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Answered with `Shown`; refused as "not found" if this node does not have the message."""

    queue_id: str


Call = FindCall | StatusCall | ReindexCall | PreviewCall


class Piece(msgspec.Struct, frozen=True):
    """Some text of a message; `hit`: it is what was asked for."""

    text: str
    hit: bool


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was found. Texts from outside are made visible already.

    `status`: where its recipients stand, as the index knows it. `snippet`: its text around what
    was asked for.
    """

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    received_at: int
    size: int
    status: tuple[str, ...]
    snippet: tuple[Piece, ...] = ()


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some hits, the newest first; `after` asks for the next ones, "" if these were the last.

    `searched_to`: the time was up; mail received before this moment (wall clock) was not looked
    at, `after` goes on there. `missing`: why mail may be there that was not found, "" if not.
    """

    hits: tuple[Hit, ...]
    after: str = ""
    searched_to: int | None = None
    missing: str = ""


class SearchView(msgspec.Struct, frozen=True, kw_only=True):
    """How the index of a node is.

    `documents` can be found, `waiting` are known of and cannot yet; for `lag` milliseconds not
    everything could; `total`: messages in the spool when they were last counted. `complete`:
    nothing older is missing. `damaged`: partitions that are to be rebuilt. `size` in bytes.
    """

    activity: str
    documents: int
    waiting: int
    lag: int
    total: int
    complete: bool
    partitions: int
    damaged: int
    size: int


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message that is not shown as text.

    `size` in bytes once it is decoded, null if the part goes on behind what was looked at.
    """

    name: str
    type: str
    size: int | None


class MessagePreview(msgspec.Struct, frozen=True, kw_only=True):
    """A message as one may look at it: everything decoded, and made visible line by line.

    `sender` to `date` are fields of its header, as they say of themselves. `text` is its plain
    text, or that of its HTML. `complete`: that is all of it, and of the attachments.
    """

    queue_id: str
    sender: str
    to: str
    cc: str
    subject: str
    date: str
    size: int
    text: str
    attachments: tuple[Attachment, ...]
    complete: bool


class Page(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """What was found."""

    page: SearchPage


class Status(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """How the index is."""

    view: SearchView


class Shown(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """How a message looks."""

    message: MessagePreview


Said = Page | Status | Shown

SERVER_CODEC: Codec[Said, Call] = Codec(msgspec.msgpack.Decoder(Call))
CLIENT_CODEC: Codec[Call, Said] = Codec(msgspec.msgpack.Decoder(Said))
