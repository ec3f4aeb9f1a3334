"""Rise and fall: when a server counts as up. Pure."""

from __future__ import annotations


class Health:
    """What the checks of one server add up to.

    `fall` failures in a row take it out, `rise` successes in a row take it in. It is up until it
    was checked at all, but then on trial: the first failure is enough.
    """

    def __init__(self, rise: int, fall: int) -> None:
        self.up = True
        self.error = ""
        """Of the last check, "" if it passed or there was none."""
        self._rise = rise
        self._fall = fall
        self._row = fall - 1
        """Results in a row that speak against what it counts as."""

    def passed(self) -> bool:
        """A check passed; True if the server has just come up."""
        self.error = ""
        return self._heard(True)

    def failed(self, error: str) -> bool:
        """A check, or a connection, failed; True if the server has just gone down."""
        self.error = error
        return self._heard(False)

    def _heard(self, good: bool) -> bool:
        if good is self.up:
            self._row = 0
            return False
        self._row += 1
        if self._row < (self._fall if self.up else self._rise):
            return False
        self.up, self._row = good, 0
        return True
