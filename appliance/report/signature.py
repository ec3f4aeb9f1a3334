"""Reports are signed (Ed25519, RFC 8032): a file and a public key are all that it takes to check.

The signature stands in the file itself: in the page as the last line, a comment; in the JSON ahead
of the report. What kind of file it is goes into what is signed.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PAGE, _JSON = b"twinpost report page 1\n", b"twinpost report json 1\n"
_PAGE_END = re.compile(rb"<!-- Twinpost signature: ([A-Za-z0-9+/=]{88}) -->\n\Z")
_JSON_START = re.compile(rb'\A\{"signature":"([A-Za-z0-9+/=]{88})","report":')
_JSON_END = b"}\n"
PUBLIC_PREFIX = "twinpost-report-key:"


class NotGenuine(Exception):
    """The file is not what the holder of the key signed; says why."""


def signed_page(page: bytes, key: Ed25519PrivateKey) -> bytes:
    """The page with its signature; it ends with a line's end."""
    signature = base64.b64encode(key.sign(_PAGE + page))
    return page + b"<!-- Twinpost signature: " + signature + b" -->\n"


def signed_json(report: bytes, key: Ed25519PrivateKey) -> bytes:
    """A JSON document that holds the report and its signature."""
    signature = base64.b64encode(key.sign(_JSON + report))
    return b'{"signature":"' + signature + b'","report":' + report + _JSON_END


def verify(file: bytes, key: Ed25519PublicKey) -> bytes:
    """What was signed, without the signature; raises NotGenuine."""
    if end := _PAGE_END.search(file):
        content, kind, signature = file[: end.start()], _PAGE, end[1]
    elif (start := _JSON_START.match(file)) and file.endswith(_JSON_END):
        content, kind, signature = file[start.end() : -len(_JSON_END)], _JSON, start[1]
    else:
        raise NotGenuine("it has no signature, or something was added to it")
    try:
        key.verify(base64.b64decode(signature), kind + content)
    except (InvalidSignature, ValueError):
        raise NotGenuine("it was changed, or signed by another key") from None
    return content


def key_id(key: Ed25519PublicKey) -> str:
    """A short name for a key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:8]


def printed(key: Ed25519PublicKey) -> str:
    """A public key as one line of text."""
    return PUBLIC_PREFIX + base64.b64encode(key.public_bytes_raw()).decode()


def parsed(text: str) -> Ed25519PublicKey:
    """Raises ValueError for what is no public key."""
    text = text.strip()
    if not text.startswith(PUBLIC_PREFIX):
        raise ValueError("this is no key of reports: it begins with " + PUBLIC_PREFIX)
    raw = base64.b64decode(text.removeprefix(PUBLIC_PREFIX), validate=True)
    return Ed25519PublicKey.from_public_bytes(raw)
