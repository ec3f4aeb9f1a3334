"""Message text as it arrives by DATA or BDAT: strict about where lines and messages end.

Sans-I/O: blocks in, content out. RFC 5321 §2.3.8: only CRLF ends a line; §4.1.1.4: only
CRLF.CRLF ends the data. A bare CR, a bare LF or a NUL never ends anything here and spoils the
message (CVE-2023-51764: what two servers read differently can hide a second message), but its
bytes are consumed up to the one true end, so none of them is ever taken for a command.
"""

from __future__ import annotations

from enum import Enum

from appliance.mail.lines import only_crlf

_DOT = b"\r\n."
_END = b"\r\n.\r\n"
# What may be the beginning of the end, longest first: kept back until more is known.
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class Defect(Enum):
    """Why text can't be a message."""

    BARE_CR = "bare CR"
    BARE_LF = "bare LF"
    NUL = "NUL"
    LINE_TOO_LONG = "line too long"


class Text:
    """Looks through content, piece by piece, for the first defect."""

    def __init__(self, line_limit: int) -> None:
        self.defect: Defect | None = None
        self.open_line = 0
        """Bytes since the last CRLF."""
        self._line_limit = line_limit

    def check(self, piece: bytes) -> bool:
        """Whether all is well up to the end of `piece`, which must not part a CR from its LF."""
        if self.defect is not None:
            return False
        if not only_crlf(piece):
            bare_cr = piece.count(b"\r") != piece.count(b"\r\n")
            self.defect = Defect.BARE_CR if bare_cr else Defect.BARE_LF
        elif b"\0" in piece:
            self.defect = Defect.NUL
        elif self.open_line + len(piece) > self._line_limit and self._has_long_line(piece):
            self.defect = Defect.LINE_TOO_LONG
        end = piece.rfind(b"\r\n")
        self.open_line = len(piece) - end - 2 if end >= 0 else self.open_line + len(piece)
        return self.defect is None

    def _has_long_line(self, piece: bytes) -> bool:
        first, *others = piece.split(b"\r\n")
        return max(self.open_line + len(first), *map(len, others), 0) > self._line_limit


class DataDecoder:
    """Content of one DATA command (RFC 5321 §4.1.1.4), dots unstuffed (§4.5.2).

    When `done`, `rest` is what the client sent after the end. After a `defect` no more content
    comes out.
    """

    def __init__(self, line_limit: int) -> None:
        self.done = False
        self.rest = b""
        self._text = Text(line_limit)
        # Data begins at the start of a line, as if a CRLF had come before: so a first line
        # "." is the end, and a first dot is unstuffed. These two bytes are not content.
        self._held = b"\r\n"
        self._not_content = 2

    @property
    def defect(self) -> Defect | None:
        """The first thing wrong with the text so far."""
        return self._text.defect

    def feed(self, block: bytes) -> bytes:
        """Take the next bytes from the client; the content that is certain by now."""
        data = self._held + block
        # Most blocks hold no line that begins with a dot, and one search tells.
        dot = data.find(_DOT)
        end = data.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.done = True
            self.rest = data[end + len(_END) :]
            data = data[: end + 2]
        else:
            self._held = next(filter(data.endswith, _BEGINNINGS), b"")
            if self._held:
                data = data[: -len(self._held)]
        if not data:
            return b""
        piece = data.replace(_DOT, b"\r\n") if dot >= 0 else data
        if self._not_content:
            piece, self._not_content = piece[self._not_content :], 0
        return piece if self._text.check(piece) else b""


class ChunkDecoder:
    """Content of BDAT chunks (RFC 3030 §2): counted, not terminated, the same strict lines.

    A chunk may end anywhere, between CR and LF too.
    """

    def __init__(self, line_limit: int) -> None:
        self._text = Text(line_limit)
        self._held = b""

    @property
    def defect(self) -> Defect | None:
        """The first thing wrong with the text so far."""
        return self._text.defect

    def feed(self, block: bytes) -> bytes:
        """Take the next bytes of a chunk; the content that is certain by now."""
        data = self._held + block
        self._held = b"\r" if data.endswith(b"\r") else b""
        if self._held:
            data = data[:-1]
        return data if self._text.check(data) else b""

    def finish(self) -> bytes:
        """The end of the last chunk: what completes the last line, b"" or CRLF.

        BDAT text may lack the last CRLF, DATA can't (§4.1.1.4): a next hop that is sent DATA
        would get it anyway, so every copy of the message has it.
        """
        if self._held:
            self._text.check(self._held)
        return b"\r\n" if self._text.open_line else b""
