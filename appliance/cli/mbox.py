"""mboxrd, Maildir and .eml: messages with CRLF line ends in, files out, and the way back.

mboxrd keeps every byte: a line that is "From " behind any number of ">" gets one more ">", and
loses it again when read (qmail's mbox(5)).
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

_FROM_LINE = re.compile(rb"^(>*From )", re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_LINE_END = re.compile(rb"\r\n|\r|\n")


@contextmanager
def open_mail(path: Path) -> Iterator[tuple[IO[bytes] | gzip.GzipFile, Callable[[], int]]]:
    """(a file, how far it is read), unpacked if its name ends in .gz."""
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield unpacked, raw.tell
        else:
            yield raw, raw.tell


def read_mbox(file: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of an mboxrd, one after the other, with CRLF line ends."""
    lines: list[bytes] = []
    started = after_blank = False
    for line in file:
        if line.startswith(b"From ") and (after_blank or not started):
            if started:
                yield _unquoted(lines)
            lines, started = [], True
        else:
            lines.append(line)
        after_blank = line in (b"\n", b"\r\n")
    if started:
        yield _unquoted(lines)


def _unquoted(lines: list[bytes]) -> bytes:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines.pop()  # the blank line before the next "From " belongs to the format
    return canonical(_QUOTED.sub(rb"\1", b"".join(lines)))


def canonical(content: bytes) -> bytes:
    """`content` with CRLF at the end of every line, the last one included (RFC 5321 §2.3.8)."""
    content = _LINE_END.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") or not content else content + b"\r\n"


def mbox_entry(blocks: Iterable[bytes], sender: str, received_at: int) -> Iterator[bytes]:
    """One message (CRLF) as an mboxrd has it; `received_at` in milliseconds since 1970."""
    when = datetime.fromtimestamp(received_at / 1000, UTC).strftime("%a %b %e %H:%M:%S %Y")
    # A sender is shown as one word: a space in it would end it.
    who = re.sub(r"[^!-~]", "_", sender) or "MAILER-DAEMON"
    yield f"From {who} {when}\n".encode()
    for lines in unix_lines(blocks):
        yield _FROM_LINE.sub(rb">\1", lines)
    yield b"\n"


def unix_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """CRLF as LF, in whole lines wherever `blocks` are cut; only the end may lack its LF."""
    rest: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*rest, block[:end])).replace(b"\r\n", b"\n")
            rest = []
        rest.append(block[end:])
    if last := b"".join(rest):
        yield last


class Maildir:
    """A Maildir that gets messages the way deliverers do it: written in tmp, moved to new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        for part in ("tmp", "new", "cur"):
            (path / part).mkdir(parents=True, exist_ok=True)

    def add(self, name: str, blocks: Iterable[bytes]) -> None:
        """File a message (CRLF) under the unique `name`, with the LF of a Maildir."""
        draft = self._path / "tmp" / name
        with draft.open("xb") as file:
            file.writelines(unix_lines(blocks))
        os.rename(draft, self._path / "new" / name)
