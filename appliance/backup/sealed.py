"""The format of a backup file: compressed, encrypted for recovery keys, sealed as a whole.

    magic, then the header, one line of JSON: who made it, and the file's key for each recipient
    chunks    the payload, compressed, in pieces of 1 MiB, each AES-256-GCM with 16 bytes of tag
    seals     32 bytes for each recipient: HMAC over the SHA-256 of all before

The file's key is random and used once, so a chunk's nonce is its number, with a mark at the last
one (STREAM, as age does it): chunks cannot be dropped, repeated or moved unnoticed. The key of the
chunks depends on the header. A file's key is wrapped by X25519 with a key of this file only,
together with the site's key for making backups: a file that anybody else made opens for nobody.
Whoever knows that second key, each node does, can tell by the seal whether a file is whole.
"""

from __future__ import annotations

import hmac
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.backup.recovery import Recipient, RecoveryKey, derived
from appliance.decoding import from_json

MAGIC = b"TWINPOST BACKUP 1\n"
CHUNK = 1 << 20
_TAG = 16
_SEAL = 32
_HEADER_LIMIT = 64 << 10
_ITEM_LIMIT = 256 << 20
_PIECE = 1 << 20
_NONCE = bytes(12)  # a wrapping key wraps one key only


class BadBackup(Exception):
    """The file cannot be used as a backup; says why."""


class Wrapped(msgspec.Struct, frozen=True):
    """The file's key for one recipient."""

    id: str
    ephemeral: bytes
    key: bytes


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may read; `at` (milliseconds since 1970) is what the node's clock said."""

    node: str
    release: str
    at: int
    recipients: tuple[Wrapped, ...]


class Sink(Protocol):
    """Takes all that is written to it; raises OSError."""

    def write(self, data: bytes, /) -> object: ...


class Writer:
    """Writes one file; `file` is at its beginning. Raises OSError."""

    def __init__(
        self,
        file: Sink,
        recipients: Sequence[Recipient],
        node: str,
        release: str,
        at: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._file = file
        self._recipients = recipients
        self._all = sha256()
        key = random(32)
        wrapped = tuple([_wrap(key, one, random(32)) for one in recipients])
        header = Header(node=node, release=release, at=at, recipients=wrapped)
        data = MAGIC + msgspec.json.encode(header) + b"\n"
        self._cipher = AESGCM(derived(key, "chunks", sha256(data).digest()))
        self._put(data)
        self._compress = zlib.compressobj(1)
        self._waiting = bytearray()
        self._chunks = 0

    def item(self, data: bytes) -> None:
        """Add one item of the payload."""
        self._add(self._compress.compress(len(data).to_bytes(4, "big")))
        for start in range(0, len(data), CHUNK):
            self._add(self._compress.compress(data[start : start + CHUNK]))

    def close(self) -> None:
        """Write what is left and the seals; the file stays open."""
        self._add(self._compress.flush())
        self._chunk(bytes(self._waiting), last=True)
        self._waiting.clear()
        whole = self._all.digest()
        for one in self._recipients:
            self._file.write(hmac.digest(one.seal, whole, "sha256"))

    def _add(self, compressed: bytes) -> None:
        self._waiting += compressed
        while len(self._waiting) > CHUNK:  # one more follows: the last one is never empty
            self._chunk(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def _chunk(self, data: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._chunks, last), data, None))
        self._chunks += 1

    def _put(self, data: bytes) -> None:
        self._all.update(data)
        self._file.write(data)


class Reader:
    """Reads one file, which can seek. Raises BadBackup for whatever is wrong with it, OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(len(MAGIC) + _HEADER_LIMIT)
        if not start.startswith(MAGIC):
            raise BadBackup("this is no backup made by this release of Twinpost")
        self._start = start.find(b"\n", len(MAGIC)) + 1
        try:
            self.header = from_json(start[len(MAGIC) : self._start], Header)
        except msgspec.DecodeError as error:
            raise BadBackup(f"its header cannot be read: {error}") from None
        self._salt = sha256(start[: self._start]).digest()
        self._end = self.size - _SEAL * len(self.header.recipients)
        if self._end < self._start + _TAG:
            raise BadBackup("it is cut short")

    def check_seal(
        self, recipients: Iterable[Recipient], told: Callable[[int], None] = lambda done: None
    ) -> None:
        """Is it whole, and from this site? Needs no recovery key, reads everything.

        `told` hears how many bytes have been read.
        """
        known = {one.id: one for one in recipients}
        place = next((n for n, w in enumerate(self.header.recipients) if w.id in known), None)
        if place is None:
            raise BadBackup(
                f"it is for the recovery keys {self._ids()}, which this site does not have"
            )
        whole, done = sha256(), 0
        self._file.seek(0)
        while done < self._end:
            piece = self._file.read(min(_PIECE, self._end - done))
            if not piece:
                raise BadBackup("it is cut short")
            whole.update(piece)
            done += len(piece)
            told(done)
        seals = self._file.read()
        expected = hmac.digest(
            known[self.header.recipients[place].id].seal, whole.digest(), "sha256"
        )
        if not hmac.compare_digest(seals[place * _SEAL : (place + 1) * _SEAL], expected):
            raise BadBackup("it is not what a node of this site wrote: cut short, or changed")

    def items(
        self, key: RecoveryKey, told: Callable[[int], None] = lambda done: None
    ) -> Iterator[bytes]:
        """The payload, decrypted; what was yielded is as it was written, the end may yet fail."""
        cipher = AESGCM(derived(self._unwrap(key), "chunks", self._salt))
        buffer, size = bytearray(), -1
        for block in self._plain(self._chunks(cipher, told)):
            buffer += block
            while True:
                if size < 0 and len(buffer) >= 4:
                    size = int.from_bytes(buffer[:4], "big")
                    del buffer[:4]
                    if size > _ITEM_LIMIT:
                        raise BadBackup("an item in it is larger than any can be")
                if size < 0 or len(buffer) < size:
                    break
                yield bytes(buffer[:size])
                del buffer[:size]
                size = -1
        if buffer or size >= 0:
            raise BadBackup("it ends in the middle")

    def _plain(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        expand = zlib.decompressobj()
        try:
            for chunk in chunks:
                rest = chunk
                while rest and not expand.eof:
                    yield expand.decompress(rest, CHUNK)
                    rest = expand.unconsumed_tail
            while not expand.eof and (block := expand.decompress(b"", CHUNK)):
                yield block
        except zlib.error as error:
            raise BadBackup(f"its payload cannot be read: {error}") from None
        if not expand.eof:
            raise BadBackup("its payload has no end")

    def _chunks(self, cipher: AESGCM, told: Callable[[int], None]) -> Iterator[bytes]:
        place, number = self._start, 0
        self._file.seek(place)
        while place < self._end:
            data = self._file.read(min(CHUNK + _TAG, self._end - place))
            place += len(data)
            last = place >= self._end
            try:
                yield cipher.decrypt(_nonce(number, last), data, None)
            except InvalidTag:
                raise BadBackup(_why(cipher, number, data, last=last)) from None
            number += 1
            told(place)

    def _unwrap(self, key: RecoveryKey) -> bytes:
        mine = key.recipient()
        for wrapped in self.header.recipients:
            if wrapped.id != mine.id:
                continue
            try:
                shared = key.private.exchange(X25519PublicKey.from_public_bytes(wrapped.ephemeral))
                cipher = AESGCM(_wrapping_key(shared, wrapped.ephemeral, mine))
                return cipher.decrypt(_NONCE, wrapped.key, None)
            except (InvalidTag, ValueError):
                raise BadBackup("no node of this site made it, or its header was changed") from None
        raise BadBackup(f"it is for the recovery keys {self._ids()}, and not for {mine.id}")

    def _ids(self) -> str:
        return ", ".join(one.id for one in self.header.recipients)


def _wrap(key: bytes, recipient: Recipient, random: bytes) -> Wrapped:
    private = X25519PrivateKey.from_private_bytes(random)
    ephemeral = private.public_key().public_bytes_raw()
    wrapping = _wrapping_key(private.exchange(recipient.key), ephemeral, recipient)
    return Wrapped(recipient.id, ephemeral, AESGCM(wrapping).encrypt(_NONCE, key, None))


def _wrapping_key(shared: bytes, ephemeral: bytes, recipient: Recipient) -> bytes:
    return derived(shared + recipient.maker, "file key", ephemeral + recipient.public)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _why(cipher: AESGCM, number: int, data: bytes, *, last: bool) -> str:
    """Why a chunk does not open."""
    if last:
        try:
            cipher.decrypt(_nonce(number, False), data, None)
        except InvalidTag:
            pass
        else:
            return "it is cut short"
    return f"part {number + 1} of it was changed, or is not where it was"
