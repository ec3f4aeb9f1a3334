"""Addresses as rules name them: one, all of a domain, all below it, a local part, or any."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.mail.address import canonical, domain_key, normal_domain, split

ANY = "*"
NULL = "<>"


class Patterns:
    """A set of patterns.

    "user@example.org" is one address, "example.org" a domain, ".example.org" what is below it,
    "user@" a local part in any domain, "<>" the null sender, "*" anything, the null sender too.
    Addresses compare as local ones do: without case and needless quotes.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._any = False
        self._exact: set[str] = set()
        self._domains: set[str] = set()
        self._locals: set[str] = set()
        for pattern in patterns:
            if pattern == ANY:
                self._any = True
            elif pattern == NULL:
                self._exact.add("")
            elif pattern.endswith("@"):
                self._locals.add(canonical(pattern[:-1]))
            elif "@" in pattern:
                self._exact.add(canonical(pattern))
            else:
                dot = "." if pattern.startswith(".") else ""
                self._domains.add(dot + normal_domain(pattern.removeprefix(".")))

    def __bool__(self) -> bool:
        return bool(self._any or self._exact or self._domains or self._locals)

    def match(self, address: str) -> bool:
        """Whether one of the patterns names `address`; "" is the null sender."""
        if self._any:
            return True
        if not address:
            return "" in self._exact
        if self._exact and canonical(address) in self._exact:
            return True
        if self._locals and canonical(split(address)[0]) in self._locals:
            return True
        return bool(self._domains) and self.match_name(domain_key(address))

    def match_name(self, name: str) -> bool:
        """Whether one of the patterns names the domain `name`."""
        if self._any:
            return True
        domain = normal_domain(name)
        if domain in self._domains:
            return True
        dot = domain.find(".")
        while dot >= 0:
            if domain[dot:] in self._domains:
                return True
            dot = domain.find(".", dot + 1)
        return False
