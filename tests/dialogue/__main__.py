"""`python -m tests.dialogue FILE…`: play transcripts and write down what the server says now."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.dialogue.transcript import play

for name in sys.argv[1:]:
    path = Path(name)
    path.write_text("".join(f"{line}\n" for line in play(path)[1]))
