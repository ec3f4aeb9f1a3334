"""twinpost-install.pyz: what verifies and installs a bundle where nothing is installed yet."""

from __future__ import annotations

import zipfile
from pathlib import Path

_ENTRY = "import sys\nfrom bundle.__main__ import main\nsys.exit(main())\n"
_NOT_THERE = ("build.py", "installer.py")


def write_installer(target: Path) -> None:
    """A zip that Python runs; the same bytes for the same code."""
    package = Path(__file__).parent
    with zipfile.ZipFile(target, "w") as packed:
        _add(packed, "__main__.py", _ENTRY)
        for path in sorted(package.glob("*.py")):
            if path.name not in _NOT_THERE:
                _add(packed, f"bundle/{path.name}", path.read_text("utf-8"))


def _add(packed: zipfile.ZipFile, name: str, text: str) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, text)
