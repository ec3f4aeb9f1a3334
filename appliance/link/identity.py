"""Who this node is and whom it is paired with: the files in `keys/`.

`node.key` is made once and never replaced. `pair.json` holds all that pairing gives and is
replaced in one step, so a node is paired or it is not, whenever the power fails.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.decoding import from_json
from appliance.link.certificates import Authority, BadKey, PrivateKey, node_id

_NODE_KEY = "node.key"
_PAIR = "pair.json"


class KeysDamaged(Exception):
    """A file in keys/ can't be used; `hint` says what to do. Nothing is ever deleted for it."""

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.hint = hint


class Peer(msgspec.Struct, frozen=True):
    """The other node: the only key the link accepts, and where it said it listens.

    `public_key` is SubjectPublicKeyInfo in DER, `endpoint` host:port.
    """

    public_key: bytes
    endpoint: str

    @property
    def node_id(self) -> bytes:
        return node_id(self.public_key)


class Pairing(msgspec.Struct, frozen=True):
    """What pairing gives: the authority, this node's certificate (all PEM), the other node.

    `joined`: the other node had invited this one.
    """

    authority_certificate: str
    authority_key: str
    certificate: str
    peer: Peer | None = None
    joined: bool = False

    @property
    def authority(self) -> Authority:
        """Raises BadKey."""
        return Authority.from_pem(self.authority_certificate, self.authority_key)


@dataclass(frozen=True)
class Identity:
    """A node's key and pairing, as they are on disk."""

    key: PrivateKey
    pairing: Pairing | None

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo in DER."""
        return self.key.public_key

    @property
    def node_id(self) -> bytes:
        """8 bytes: the name of this node for as long as it has this key."""
        return node_id(self.key.public_key)

    @property
    def peer(self) -> Peer | None:
        """The other node, None before pairing."""
        return self.pairing.peer if self.pairing else None

    @property
    def joined(self) -> bool:
        """Whether it was invited by its peer."""
        return self.pairing is not None and self.pairing.joined


class KeyStore:
    """The directory keys/ of one node; it must exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def identity(self) -> Identity:
        """Read it, making the node's key the first time; raises KeysDamaged, OSError."""
        key = self._node_key()
        try:
            raw = (self._directory / _PAIR).read_bytes()
        except FileNotFoundError:
            return Identity(key, None)
        try:
            pairing = from_json(raw, Pairing)
            if not pairing.authority.issued(pairing.certificate, key.public_key):
                raise BadKey("its certificate is not for this node's key")
        except (msgspec.MsgspecError, BadKey) as error:
            raise KeysDamaged(
                self._directory / _PAIR,
                str(error),
                "move the file away and pair the nodes again: twinpost pair init, pair join",
            ) from error
        return Identity(key, pairing)

    def save(self, pairing: Pairing) -> Identity:
        """Replace the pairing; durable when this returns. Raises OSError."""
        content = msgspec.json.format(msgspec.json.encode(pairing), indent=2)
        new = self._write_new(_PAIR, content + b"\n")
        os.replace(new, self._directory / _PAIR)
        self._sync_directory()
        return self.identity()

    def _node_key(self) -> PrivateKey:
        path = self._directory / _NODE_KEY
        if not path.exists():
            new = self._write_new(_NODE_KEY, PrivateKey.generate().pem().encode())
            # A link, unlike a rename, never replaces a key made meanwhile by another process.
            with suppress(FileExistsError):
                os.link(new, path)
            os.unlink(new)
            self._sync_directory()
        try:
            return PrivateKey.from_pem(path.read_text("ascii"))
        except ValueError as error:
            raise KeysDamaged(
                path,
                str(error),
                "restore it from a backup, or move it away: the node then gets a new identity"
                " and must be paired again with: twinpost pair replace",
            ) from error

    def _write_new(self, name: str, content: bytes) -> str:
        """Write `content` durably beside `name`, owner-only from the first moment."""
        new = str(self._directory / f".{name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            os.unlink(new)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except BaseException:
            os.unlink(new)
            raise
        finally:
            os.close(file)
        return new

    def _sync_directory(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
