"""keys/: made once, private, replaced in one durable step, never guessed at when damaged."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey

from appliance.link.certificates import Authority, BadKey, PrivateKey, certified_key, node_id
from appliance.link.identity import KeysDamaged, KeyStore, Pairing, Peer


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def pairing_for(store: KeyStore, authority: Authority | None = None) -> Pairing:
    authority = authority or Authority.create()
    return Pairing(
        authority.certificate,
        authority.key.pem(),
        authority.issue(store.identity().public_key),
        Peer(PrivateKey.generate().public_key, "192.0.2.1:2600"),
    )


def test_the_key_is_made_once(tmp_path: Path) -> None:
    first = KeyStore(tmp_path).identity()
    again = KeyStore(tmp_path).identity()
    assert first.public_key == again.public_key
    assert first.node_id == again.node_id
    assert first.pairing is None
    assert first.peer is None


def test_the_node_id_is_the_beginning_of_the_hash_of_the_public_key(tmp_path: Path) -> None:
    identity = KeyStore(tmp_path).identity()
    pem = (tmp_path / "node.key").read_bytes()
    public = serialization.load_pem_private_key(pem, None).public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert identity.node_id == hashlib.sha256(der).digest()[:8]


def test_a_pairing_is_read_as_it_was_saved(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    pairing = pairing_for(store)
    store.save(pairing)
    assert KeyStore(tmp_path).identity().pairing == pairing


@pytest.mark.usefixtures("open_umask")
def test_files_are_for_the_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.save(pairing_for(store))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"node.key": 0o600, "pair.json": 0o600}


def test_a_key_made_meanwhile_by_another_process_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PrivateKey.generate()
    link = os.link

    def lose_the_race(source: str, target: Path) -> None:
        target.write_text(other.pem())
        link(source, target)

    monkeypatch.setattr(os, "link", lose_the_race)
    assert KeyStore(tmp_path).identity().public_key == other.public_key
    assert os.listdir(tmp_path) == ["node.key"]


class Steps:
    """What was done to files, in order, by the name of the file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, str]] = []
        for call in ("write", "fsync", "link", "replace"):
            monkeypatch.setattr(os, call, self._recorded(call, getattr(os, call)))

    def _recorded(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def record(target: int | str, *rest: Any) -> Any:
            name = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else target
            self.done.append((call, os.path.basename(name)))
            return real(target, *rest)

        return record


def test_a_new_file_gets_its_name_after_its_bytes_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(tmp_path)
    steps = Steps(monkeypatch)
    pairing = pairing_for(store)
    new = f".node.key.{os.getpid()}"
    here = ("fsync", tmp_path.name)
    assert steps.done == [("write", new), ("fsync", new), ("link", new), here]
    steps.done.clear()
    store.save(pairing)
    new = f".pair.json.{os.getpid()}"
    assert steps.done == [("write", new), ("fsync", new), ("replace", new), here]


def test_a_failed_save_leaves_the_pairing_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(tmp_path)
    before = pairing_for(store)
    store.save(before)

    def fail(file: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            store.save(pairing_for(store))
    assert store.identity().pairing == before
    assert sorted(os.listdir(tmp_path)) == ["node.key", "pair.json"]


def test_what_a_crash_left_does_not_stop_a_save(tmp_path: Path) -> None:
    (tmp_path / f".pair.json.{os.getpid()}").write_text("half")
    store = KeyStore(tmp_path)
    pairing = pairing_for(store)
    assert store.save(pairing).pairing == pairing


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nMC4C", "é"])
def test_a_damaged_key_is_reported_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.key").write_text(content)
    with pytest.raises(KeysDamaged, match=r"node\.key") as caught:
        KeyStore(tmp_path).identity()
    assert "pair replace" in caught.value.hint
    assert (tmp_path / "node.key").read_text() == content


def test_another_kind_of_key_is_reported(tmp_path: Path) -> None:
    pem = X448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "node.key").write_bytes(pem)
    with pytest.raises(KeysDamaged, match="not an Ed25519 key"):
        KeyStore(tmp_path).identity()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1, 2]"])
def test_a_damaged_pairing_is_reported_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pair.json").write_bytes(content)
    with pytest.raises(KeysDamaged, match=r"pair\.json"):
        KeyStore(tmp_path).identity()
    assert (tmp_path / "pair.json").read_bytes() == content


def test_a_pairing_of_another_key_is_reported(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    certificate = Authority.create().issue(PrivateKey.generate().public_key)
    foreign = msgspec.structs.replace(pairing_for(store), certificate=certificate)
    (tmp_path / "pair.json").write_bytes(msgspec.json.encode(foreign))
    with pytest.raises(KeysDamaged, match="not for this node's key"):
        store.identity()


def test_a_pairing_with_a_foreign_authority_key_is_reported(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    mixed = msgspec.structs.replace(pairing_for(store), authority_key=Authority.create().key.pem())
    (tmp_path / "pair.json").write_bytes(msgspec.json.encode(mixed))
    with pytest.raises(KeysDamaged, match="do not belong together"):
        store.identity()


def test_the_authority_knows_its_certificates() -> None:
    authority, key = Authority.create(), PrivateKey.generate()
    certificate = authority.issue(key.public_key)
    assert authority.issued(certificate, key.public_key)
    assert not authority.issued(certificate, PrivateKey.generate().public_key)
    assert not Authority.create().issued(certificate, key.public_key)
    with pytest.raises(BadKey):
        authority.issued("no certificate", key.public_key)


def test_certificates_have_no_meaningful_dates_and_name_the_node() -> None:
    authority, key = Authority.create(), PrivateKey.generate()
    parsed = x509.load_pem_x509_certificate(authority.issue(key.public_key).encode())
    assert parsed.not_valid_before_utc.isoformat() == "1970-01-01T00:00:00+00:00"
    assert parsed.not_valid_after_utc.isoformat() == "9999-12-31T23:59:59+00:00"
    assert node_id(key.public_key).hex() in parsed.subject.rfc4514_string()
    der = parsed.public_bytes(serialization.Encoding.DER)
    assert certified_key(der) == key.public_key


@pytest.mark.parametrize("key", [b"", b"\x30\x00", b"x" * 44])
def test_what_is_no_public_key_gets_no_certificate(key: bytes) -> None:
    with pytest.raises(BadKey):
        Authority.create().issue(key)
