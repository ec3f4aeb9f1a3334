"""Names and addresses as stable pseudonyms: the same for the same name, in every report.

A pseudonym is a MAC by a key that does not leave the node, so nobody outside can try names out.
Queue ids stay: with them the node's own people find what is meant.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LEAST = 3
"""Letters of a name that is looked for in sentences: "a" is a word, too."""
_MAIL = r"(?P<mail>[^\s<>@,;:()\[\]\"']+@[^\s<>@,;:()\[\]\"'/]+[^\s<>@,;:()\[\]\"'/.])"
_IPV4 = r"(?P<v4>(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d))"
_IPV6 = r"(?P<v6>(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]))"
_HOST = (
    r"(?P<host>(?<![\w.@-])(?:[A-Za-z0-9_](?:[\w-]{0,61}\w)?\.)+[A-Za-z][\w-]{0,61}\w(?![\w@-]))"
)
_OURS = re.compile(r"\.(?:toml|log|md|db|sock|json|html|backup|sig|pem|der)\Z", re.IGNORECASE)
"""Ends of names that are files, not hosts."""


class Redactor:
    """Replaces what it knows by `names` (name → kind), and all that looks like an address.

    `used` gathers what each pseudonym stands for. `settings` are words with dots that are no hosts.
    """

    def __init__(
        self, key: bytes, names: Mapping[str, str], settings: Callable[[str], bool] | None = None
    ) -> None:
        self._key = key
        self._names = {name.casefold(): kind for name, kind in names.items() if name}
        self._setting = settings or (lambda word: False)
        self.used: dict[str, str] = {}
        longest = sorted(self._names, key=len, reverse=True)
        known = "|".join(re.escape(name) for name in longest if len(name) >= _LEAST)
        parts = [_MAIL, _IPV4, _IPV6]
        if known:
            parts.append(rf"(?P<known>(?<![\w.-])(?:{known})(?![\w-]))")
        self._pattern = re.compile("|".join([*parts, _HOST]), re.IGNORECASE)

    def text(self, text: str) -> str:
        """A text without names and addresses."""
        return self._pattern.sub(self._replaced, text)

    def value(self, value: T) -> T:
        """A value with every text in it replaced; keys of mappings are ours, and stay."""
        built = msgspec.to_builtins(value)
        return msgspec.convert(self._inside(built), type(value))

    def _inside(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case list() | tuple():
                return [self._inside(one) for one in value]
            case dict():
                return {name: self._inside(one) for name, one in value.items()}
        return value

    def _replaced(self, found: re.Match[str]) -> str:
        word = found[0]
        match found.lastgroup:
            case "mail":
                local, _, domain = word.rpartition("@")
                return f"{self.name(local, 'user')}@{self.name(domain, 'host')}"
            case "v4" | "v6":
                return self._address(word)
            case "known":
                return self.name(word, self._names[word.casefold()])
            case _:
                if _OURS.search(word) or self._setting(word):
                    return word
                return self.name(word, "host")

    def _address(self, word: str) -> str:
        try:
            return self.name(str(ip_address(word)), "ip")
        except ValueError:
            return word  # a time of day, a version

    def name(self, name: str, kind: str) -> str:
        """The pseudonym of a name."""
        kind = self._names.get(name.casefold(), kind)
        mac = hmac.digest(self._key, f"{kind}\0{name.casefold()}".encode(), "sha256")
        pseudonym = f"{kind}-{base64.b32encode(mac)[:8].decode().lower()}"
        self.used[pseudonym] = name
        return pseudonym
