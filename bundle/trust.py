"""Which key has to have signed a bundle: the one trusted here, or one that it has handed over to.

No key inside a bundle is trusted for being there. A *rotation* names a new key and carries the
signature of the key before it; a bundle carries all of them since the first.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle import keys
from bundle.archive import Front
from bundle.errors import Refused
from bundle.keys import PublicKey

_PURPOSE = b"twinpost: the key of the bundles is from now on\n"
_MOST = 64


@dataclass(frozen=True)
class Rotation:
    """`signature` of `new` by the key `old`."""

    old: PublicKey
    new: PublicKey
    signature: bytes


def rotate(private: Path, new: PublicKey) -> Rotation:
    """Hand over from the key in the file `private` to `new`; raises Refused."""
    return Rotation(keys.public(private), new, keys.sign(private, _PURPOSE + new.der))


def signer(trusted: PublicKey, front: Front) -> PublicKey:
    """The key that has signed the bundle, if it is `trusted` or was handed over to; or Refused.

    It is the one to be trusted from then on.
    """
    key = trusted
    for one in decode(front.rotations):
        if one.old == key:
            if not keys.verifies(key, _PURPOSE + one.new.der, one.signature):
                raise Refused("a change of keys in this bundle is forged", "do not use this stick")
            key = one.new
    if not keys.verifies(key, front.manifest, front.signature):
        raise Refused(
            "the bundle is not signed by the key that is trusted here",
            f"trusted is the key with the fingerprint {trusted.fingerprint}",
        )
    return key


def encode(rotations: Sequence[Rotation]) -> bytes:
    """As a bundle carries them."""
    document = [
        {"old": one.old.pem, "new": one.new.pem, "signature": _armoured(one.signature)}
        for one in rotations
    ]
    return json.dumps(document, indent=1, sort_keys=True).encode("ascii") + b"\n"


def decode(data: bytes) -> Sequence[Rotation]:
    """From what `encode` made; raises Refused."""
    try:
        document = json.loads(data)
        if not isinstance(document, list) or len(document) > _MOST:
            raise ValueError
        return [
            Rotation(
                PublicKey.parse(one["old"]),
                PublicKey.parse(one["new"]),
                base64.b64decode(one["signature"], validate=True),
            )
            for one in document
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise Refused("the changes of keys in this bundle are damaged", "copy it again") from None


def _armoured(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
