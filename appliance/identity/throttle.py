"""How often somebody may be wrong: by address, by user, and by both together.

Each is a bucket that holds a few wrong passwords and leaks (GCRA: one number a bucket). Who is
attacked from many addresses must still get in: an address from which a user has logged in before
has a bucket of its own for that user, and nobody else's guesses fill it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict

import msgspec


class Allowance(msgspec.Struct, frozen=True):
    """`burst` wrong passwords at once, then one in `period` milliseconds."""

    burst: int
    period: int


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Of an address (an IPv6 /64 is one), of a user, and of a user at an address known to be his.

    An address gets fewer than a user, so that some addresses can't keep a user out: 50 of them
    make 200 attempts an hour in the long run, fewer than a user has.
    """

    address: Allowance = Allowance(10, 900_000)
    user: Allowance = Allowance(20, 15_000)
    known: Allowance = Allowance(10, 60_000)
    entries: int = 20_000
    """Of each kind at most; the one that was longest not used is forgotten."""


_BOUNDS = Bounds()


class Throttle:
    """Counts on this node only. `now` is in milliseconds, of a clock that never goes back."""

    def __init__(self, bounds: Bounds = _BOUNDS) -> None:
        self._addresses = _Buckets(bounds.address, bounds.entries)
        self._users = _Buckets(bounds.user, bounds.entries)
        self._known = _Buckets(bounds.known, bounds.entries)
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._at_home: Counter[str] = Counter()
        """Address → how many users are familiar there."""
        self._entries = bounds.entries

    def attempt(self, now: int, client: str, user: str) -> int:
        """0: a password may be tried, and counts as wrong until `succeeded`.

        Else milliseconds until the next may be.
        """
        address = group(client)
        if (user, address) in self._familiar:
            return self._known.take(now, f"{user}\0{address}")
        wait = self._addresses.take(now, address)
        # Whoever is out of his own guesses must not use up the user's.
        return wait or self._users.take(now, user)

    def at_home(self, client: str) -> bool:
        """Whether somebody has logged in from there before."""
        return self._at_home[group(client)] > 0

    def wait(self, now: int, client: str) -> int:
        """Milliseconds until the address may try a password but of those who are at home there."""
        return self._addresses.wait(now, group(client))

    def tries(self, now: int, client: str) -> int:
        """How many passwords that were not right the address has had of late."""
        return self._addresses.used(now, group(client))

    def undone(self, client: str, user: str) -> None:
        """It was not tried after all."""
        address = group(client)
        if (user, address) in self._familiar:
            self._known.give_back(f"{user}\0{address}")
        else:
            self._addresses.give_back(address)
            self._users.give_back(user)

    def succeeded(self, client: str, user: str) -> None:
        """It was right: from now on the address is known to be the user's."""
        self.undone(client, user)
        pair = (user, group(client))
        if pair not in self._familiar:
            self._at_home[pair[1]] += 1
        self._familiar[pair] = None
        self._familiar.move_to_end(pair)
        if len(self._familiar) > self._entries:
            (_, address), _ = self._familiar.popitem(last=False)
            self._at_home[address] -= 1
            if not self._at_home[address]:
                del self._at_home[address]


class _Buckets:
    def __init__(self, allowance: Allowance, most: int) -> None:
        self._period = allowance.period
        self._room = allowance.period * (allowance.burst - 1)
        self._most = most
        self._full: OrderedDict[str, int] = OrderedDict()
        """Key → when its bucket will be empty."""

    def take(self, now: int, key: str) -> int:
        """0 if there was room for one more, else how long until there is."""
        wait = self.wait(now, key)
        if wait:
            return wait
        self._full[key] = max(self._full.get(key, now), now) + self._period
        self._full.move_to_end(key)
        if len(self._full) > self._most:
            self._full.popitem(last=False)
        return 0

    def wait(self, now: int, key: str) -> int:
        """How long until there is room for one more."""
        return max(self._full.get(key, now) - now - self._room, 0)

    def used(self, now: int, key: str) -> int:
        """How many are in it."""
        return -(min(now - self._full.get(key, now), 0) // self._period)

    def give_back(self, key: str) -> None:
        if key in self._full:
            self._full[key] -= self._period


def group(client: str) -> str:
    """Whose attempts are counted together: an IPv6 client has a whole /64 to choose from."""
    if ":" not in client:
        return client
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(client)) >> 64 << 64))
