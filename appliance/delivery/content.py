"""The content of one message as an attempt looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.delivery.source import ContentReader
from appliance.mail.queue_id import QueueId

HEADER_LIMIT = 256 * 1024
"""Bytes in which the header section is looked for."""


class Content:
    """Reads what it is asked for; nothing large is ever held. Raises LookupError.

    Plain attributes as caches: `functools.cached_property` of Python 3.11 takes a lock each time.
    """

    __slots__ = ("_ascii", "_queue_id", "_read", "_reader", "_whole")

    def __init__(self, reader: ContentReader, queue_id: QueueId) -> None:
        self._reader = reader
        self._queue_id = queue_id
        self._read = False
        self._whole: bytes | None = None
        self._ascii: bool | None = None

    @property
    def whole(self) -> bytes | None:
        """All of it, None if it is large."""
        if not self._read:
            self._whole = self._reader.read(self._queue_id)
            self._read = True
        return self._whole

    @property
    def is_ascii(self) -> bool:
        """Whether it is 7-bit; for a large message this reads all of it."""
        if self._ascii is None:
            self._ascii = all(block.isascii() for block in self.blocks())
        return self._ascii

    def blocks(self) -> Iterator[bytes]:
        """All of it in blocks of at most 64 KiB, or in one if it is not large."""
        whole = self.whole
        if whole is None:
            yield from self._reader.chunks(self._queue_id)
        else:
            yield whole

    def start(self) -> bytes:
        """The header section and what follows it, up to `HEADER_LIMIT` bytes."""
        start = b""
        for block in self.blocks():
            start += block
            if len(start) >= HEADER_LIMIT:
                break
        return start[:HEADER_LIMIT]

    def header_is_ascii(self) -> bool:
        """Whether no header field needs SMTPUTF8 (RFC 6532 §3)."""
        return self.start().partition(b"\r\n\r\n")[0].isascii()
