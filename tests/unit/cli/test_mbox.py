"""mboxrd keeps every byte; other forms, too."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.mbox import Maildir, canonical, mbox_entry, open_mail, read_mbox

_LINES = st.sampled_from(
    [b"", b"x", b"From me", b">From me", b">>From me", b"From", b"from me", b".", b"\xff\x00"]
)
_CONTENTS = st.lists(_LINES, max_size=6).map(lambda lines: b"".join(one + b"\r\n" for one in lines))


@given(st.lists(_CONTENTS, max_size=5))
def test_what_is_written_as_mboxrd_reads_back_byte_for_byte(contents: list[bytes]) -> None:
    mbox = b"".join(line for one in contents for line in mbox_entry([one], "alice@site.test", 0))
    assert list(read_mbox(io.BytesIO(mbox))) == contents


@given(_CONTENTS, st.integers(1, 9))
def test_it_does_not_matter_where_blocks_are_cut(content: bytes, size: int) -> None:
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    whole = b"".join(mbox_entry([content], "a@b.test", 0))
    assert b"".join(mbox_entry(blocks, "a@b.test", 0)) == whole


def test_a_hostile_sender_cannot_forge_a_separator() -> None:
    entry = b"".join(mbox_entry([b"x\r\n"], "a b\nFrom c", 1_700_000_000_000))
    assert entry == b"From a_b_From_c Tue Nov 14 22:13:20 2023\nx\n\n"


def test_from_in_the_middle_of_a_paragraph_is_text() -> None:
    mbox = b"From a\nSubject: x\n\nhello\nFrom here on\n\nFrom b\ny\n"
    assert list(read_mbox(io.BytesIO(mbox))) == [
        b"Subject: x\r\n\r\nhello\r\nFrom here on\r\n",
        b"y\r\n",
    ]


@given(st.binary())
def test_canonical_is_what_smtp_may_carry(content: bytes) -> None:
    wired = canonical(content)
    assert canonical(wired) == wired
    rest = wired.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert wired.endswith(b"\r\n") or not content


def test_packed_files_are_unpacked_and_tell_how_far_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox.gz"
    path.write_bytes(gzip.compress(b"From a\nx\n"))
    with open_mail(path) as (lines, position):
        assert list(read_mbox(lines)) == [b"x\r\n"]
        assert position() == path.stat().st_size


def test_maildir(tmp_path: Path) -> None:
    Maildir(tmp_path / "m").add("1.Q1.host", [b"a\r", b"\nb\r\n"])
    assert (tmp_path / "m" / "new" / "1.Q1.host").read_bytes() == b"a\nb\n"
    assert list((tmp_path / "m" / "tmp").iterdir()) == []
