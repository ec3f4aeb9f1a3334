"""Files that are the expectation. REWRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

REWRITE = "REWRITE_GOLDEN" in os.environ
"""Then look at the difference before committing it."""


def check(path: Path, found: str) -> None:
    """`found` is what stands in `path`, or stands there from now on."""
    if REWRITE:
        path.write_text(found)
    assert found == path.read_text()
