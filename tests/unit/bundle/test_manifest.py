"""What is no manifest is refused, whoever has signed it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.errors import Refused
from bundle.manifest import Entry, Manifest, Version, check_path

DIGEST = "0" * 64
GOOD = Manifest(Version((1, 2, 3)), "debian13-amd64", (Entry("a/b.whl", 3, DIGEST),))

paths = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9.]{0,3}[a-z]){0,2}", fullmatch=True).filter(
    lambda text: "/." not in text
)
entries = st.lists(
    st.builds(Entry, paths, st.integers(0, 1000), st.just(DIGEST)),
    min_size=1,
    unique_by=lambda one: one.path,
).map(lambda found: tuple(sorted(found, key=lambda one: one.path)))
versions = st.builds(Version, st.tuples(*[st.integers(0, 999_999)] * 3))


@given(st.builds(Manifest, versions, st.just("debian13-amd64"), entries, st.booleans()))
def test_what_was_encoded_is_decoded(manifest: Manifest) -> None:
    assert Manifest.decode(manifest.encode()) == manifest


@given(versions, versions)
def test_versions_are_compared_by_number(one: Version, other: Version) -> None:
    assert Version.parse(str(one)) == one
    assert (one < other) == (one.numbers < other.numbers)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a\\b", "-rf"),
        *("ä", "a\n", "a b", "a" * 201, "manifest.json", "manifest.sig", "rotations.json"),
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Refused):
        check_path(path)


def _changed(**values: object) -> bytes:
    document = json.loads(GOOD.encode())
    return json.dumps({**document, **values}, indent=1, sort_keys=True).encode() + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        GOOD.encode() + b" ",
        GOOD.encode().replace(b"\n", b"\r\n"),
        _changed(format=2),
        _changed(format=True),
        _changed(version="1.2"),
        _changed(version="1.02.3"),
        _changed(version=7),
        _changed(target="../x"),
        _changed(files=[]),
        _changed(files=[["a", -1, DIGEST]]),
        _changed(files=[["a", True, DIGEST]]),
        _changed(files=[["a", 1 << 40, DIGEST]]),
        _changed(files=[["a", 1, DIGEST.upper() + "A"]]),
        _changed(files=[["b", 1, DIGEST], ["a", 1, DIGEST]]),
        _changed(files=[["a", 1, DIGEST], ["a", 1, DIGEST]]),
        _changed(files=[[f"f{n:05}", 1 << 30, DIGEST] for n in range(9)]),
        _changed(files=[["/a", 1, DIGEST]]),
        _changed(more=1),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        Manifest.decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        Manifest.decode(data)
