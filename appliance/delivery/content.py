"""The content of one message as an attempt looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from appliance.delivery.source import ContentReader
from appliance.mail.queue_id import QueueId

HEADER_LIMIT = 256 * 1024
"""Bytes in which the header section is looked for."""


class Content:
    """Reads what it is asked for, once; nothing large is ever held. Raises LookupError."""

    def __init__(self, reader: ContentReader, queue_id: QueueId) -> None:
        self._reader = reader
        self._queue_id = queue_id

    @cached_property
    def whole(self) -> bytes | None:
        """All of it, None if it is large."""
        return self._reader.read(self._queue_id)

    def blocks(self) -> Iterator[bytes]:
        """All of it in blocks of at most 64 KiB, however large."""
        whole = self.whole
        if whole is None:
            yield from self._reader.chunks(self._queue_id)
        else:
            yield whole

    @cached_property
    def start(self) -> bytes:
        """The header section and what follows it, up to `HEADER_LIMIT` bytes."""
        start = b""
        for block in self.blocks():
            start += block
            if len(start) >= HEADER_LIMIT:
                break
        return start[:HEADER_LIMIT]

    @cached_property
    def header_is_ascii(self) -> bool:
        """Whether no header field needs SMTPUTF8 (RFC 6532 §3)."""
        return self.start.partition(b"\r\n\r\n")[0].isascii()

    @cached_property
    def is_ascii(self) -> bool:
        """Whether it is 7-bit; for a large message this reads all of it."""
        return all(block.isascii() for block in self.blocks())
