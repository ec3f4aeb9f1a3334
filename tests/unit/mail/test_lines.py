"""Line ends, by counting and by looking at each."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.lines import only_crlf

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\0\x0b\x0c\x1c\x85"])).map(b"".join)
)
def test_each_is_looked_at(text: bytes) -> None:
    assert only_crlf(text) is (_BARE.search(text) is None)
