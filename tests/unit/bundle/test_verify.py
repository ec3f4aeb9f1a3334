"""A bundle that is not exactly what was signed is refused before anything is unpacked."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle import archive, keys, trust, verify
from bundle.build import Signer
from bundle.errors import Refused
from bundle.keys import PublicKey
from tests.unit.bundle.parts import bundle_of, private_key

CONTENTS = {"LICENSE": b"free\n", "wheels/a.whl": bytes(range(256)) * 9, "wheels/empty": b""}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return private_key(tmp_path)


@pytest.fixture
def good(tmp_path: Path, private: Path) -> Path:
    return bundle_of(tmp_path, CONTENTS, Signer(private))


def test_a_good_bundle_comes_out_as_it_went_in(tmp_path: Path, private: Path, good: Path) -> None:
    copy = tmp_path / "copy"
    verify.fetch(good, copy)
    verify.unpack(verify.verify(copy, keys.public(private)), tmp_path / "out")
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == CONTENTS


def test_any_flipped_bit_is_found(tmp_path: Path, private: Path, good: Path) -> None:
    key, whole, draw = keys.public(private), good.read_bytes(), random.Random(7)
    ends = len(whole.rstrip(b"\0")) + 2000
    places = [draw.randrange(ends) for _ in range(60)] + [0, 130, 257, len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        good.write_bytes(damaged)
        with pytest.raises(Refused):
            verify.verify(good, key)


@pytest.mark.parametrize("cut", [1, 512, 10_240, 10_241])
def test_a_cut_bundle_is_found(private: Path, good: Path, cut: int) -> None:
    good.write_bytes(good.read_bytes()[:-cut])
    with pytest.raises(Refused):
        verify.verify(good, keys.public(private))


def _link(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
    return member


def _hard_link(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.type, member.linkname, member.size = tarfile.LNKTYPE, "LICENSE", 0
    return member


def _elsewhere(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.name = "../../" + member.name
    return member


def _rooted(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.name = "/" + member.name
    return member


def _folder(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.type, member.size = tarfile.DIRTYPE, 0
    return member


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o4755
    return member


@pytest.mark.parametrize("change", [_link, _hard_link, _elsewhere, _rooted, _folder, _executable])
def test_a_member_of_another_kind_is_refused(
    private: Path, good: Path, change: Callable[[tarfile.TarInfo], tarfile.TarInfo]
) -> None:
    def changed() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        for member, content in _members(good):
            if member.name == "wheels/a.whl":
                member = change(member)
                content = content[: member.size]
            yield member, content

    _rewrite(good, list(changed()))
    with pytest.raises(Refused):
        verify.verify(good, keys.public(private))


def test_a_missing_an_extra_and_a_second_file_are_refused(private: Path, good: Path) -> None:
    members = list(_members(good))
    extra = tarfile.TarInfo("wheels/z.whl")
    for changed in (members[:-1], [*members, (extra, b"")], [*members, members[-1]], members[::-1]):
        _rewrite(good, changed)
        with pytest.raises(Refused):
            verify.verify(good, keys.public(private))


def test_a_foreign_key_is_refused_though_all_else_is_right(tmp_path: Path, good: Path) -> None:
    other = keys.public(private_key(tmp_path, "other"))
    with pytest.raises(Refused, match="not signed by the key that is trusted here"):
        verify.verify(good, other)


def test_a_test_key_is_taken_in_tests_only(tmp_path: Path, private: Path) -> None:
    made = bundle_of(tmp_path, CONTENTS, Signer(private, test=True), "9.9.9")
    with pytest.raises(Refused, match="made for tests"):
        verify.verify(made, keys.public(private))
    assert verify.verify(made, keys.public(private), allow_test_key=True).manifest.test


def test_keys_hand_over_one_to_the_next(tmp_path: Path) -> None:
    first, second, third = (private_key(tmp_path, name) for name in "abc")
    chain = (trust.rotate(first, keys.public(second)), trust.rotate(second, keys.public(third)))
    made = bundle_of(tmp_path, CONTENTS, Signer(third, chain))
    for trusted in (first, second, third):
        assert verify.verify(made, keys.public(trusted)).key == keys.public(third)


def test_a_key_that_was_handed_over_from_signs_no_more_once_the_new_one_is_trusted(
    tmp_path: Path,
) -> None:
    old, new = private_key(tmp_path, "old"), private_key(tmp_path, "new")
    made = bundle_of(tmp_path, CONTENTS, Signer(old))
    with pytest.raises(Refused):
        verify.verify(made, keys.public(new))


def test_a_rotation_not_signed_by_the_key_before_is_refused(tmp_path: Path) -> None:
    trusted, thief = private_key(tmp_path, "trusted"), private_key(tmp_path, "thief")
    forged = trust.Rotation(
        keys.public(trusted), keys.public(thief), keys.sign(thief, keys.public(thief).der)
    )
    made = bundle_of(tmp_path, CONTENTS, Signer(thief, (forged,)))
    with pytest.raises(Refused, match="forged"):
        verify.verify(made, keys.public(trusted))


def test_what_is_no_plain_file_is_not_read(tmp_path: Path, good: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(good)
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path, tmp_path / "nothing", Path("/dev/zero")):
        with pytest.raises(Refused):
            verify.fetch(path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_fingerprint_is_typed_in_any_form(private: Path) -> None:
    key = keys.public(private)
    plain = key.fingerprint.replace(" ", "")
    assert key.matches(key.fingerprint)
    assert key.matches(plain.upper())
    assert key.matches(":".join(plain[at : at + 2] for at in range(0, 64, 2)))
    assert not key.matches(plain[:-1])
    assert not key.matches("")


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----",
    ],
)
def test_what_is_no_key_is_refused(pem: str) -> None:
    with pytest.raises(Refused):
        PublicKey.parse(pem)


def test_a_key_is_never_written_over(private: Path) -> None:
    before = private.read_bytes()
    with pytest.raises(FileExistsError):
        keys.make(private)
    assert private.read_bytes() == before
    assert private.stat().st_mode & 0o777 == 0o600


def _members(bundle: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(bundle) as tar:
        for member in tar:
            file = tar.extractfile(member)
            yield member, file.read() if file else b""


def _rewrite(bundle: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(bundle, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))


def test_rewriting_alone_changes_nothing(private: Path, good: Path) -> None:
    """Guards the tests above: what they change is why a bundle is refused."""
    before = good.read_bytes()
    _rewrite(good, list(_members(good)))
    assert good.read_bytes() == before
    with good.open("rb") as source:
        assert archive.read_front(source).signature
    verify.verify(good, keys.public(private))
