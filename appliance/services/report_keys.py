"""The keys of a node's reports, in `keys/report.json`, and what its pseudonyms stand for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.decoding import from_json

_MOST = 50_000
"""Pseudonyms that are remembered, the latest."""


class _Keys(msgspec.Struct, frozen=True):
    signing: bytes
    pseudonyms: bytes


class ReportKeys:
    """Made when they are first needed; the folders exist."""

    def __init__(self, keys: Path, monitor: Path) -> None:
        self._path = keys / "report.json"
        self._map = monitor / "pseudonyms.json"
        self._known: _Keys | None = None

    def signing(self) -> Ed25519PrivateKey:
        """What signs; raises OSError."""
        return Ed25519PrivateKey.from_private_bytes(self._keys().signing)

    def pseudonyms(self) -> bytes:
        """What pseudonyms are made with; raises OSError."""
        return self._keys().pseudonyms

    def remember(self, used: Mapping[str, str]) -> None:
        """Keep what pseudonyms stand for; raises OSError."""
        known = self._read_map()
        if used.items() <= known.items():
            return
        merged = {name: known[name] for name in known if name not in used} | dict(used)
        latest = dict(list(merged.items())[-_MOST:])
        new = _written(self._map, msgspec.json.encode(latest))
        os.replace(new, self._map)

    def reveal(self, pseudonym: str) -> str | None:
        """What one stands for; None if this node did not make it, or long ago."""
        return self._read_map().get(pseudonym)

    def _read_map(self) -> dict[str, str]:
        with suppress(FileNotFoundError, msgspec.DecodeError):
            return from_json(self._map.read_bytes(), dict[str, str])
        return {}

    def _keys(self) -> _Keys:
        if self._known is None:
            if not self._path.exists():
                made = _Keys(Ed25519PrivateKey.generate().private_bytes_raw(), os.urandom(32))
                new = _written(self._path, msgspec.json.encode(made))
                # A link, unlike a rename, never replaces keys made meanwhile.
                with suppress(FileExistsError):
                    os.link(new, self._path)
                os.unlink(new)
            try:
                self._known = from_json(self._path.read_bytes(), _Keys)
            except msgspec.DecodeError as error:
                raise OSError(f"{self._path} is damaged: move it away, {error}") from error
        return self._known


def _written(path: Path, content: bytes) -> Path:
    """A durable file beside `path`, for the owner only."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return new
