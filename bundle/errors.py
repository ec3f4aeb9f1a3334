"""Why a bundle, a key or an installation is refused."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was changed: what is wrong, and what to do about it."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint
