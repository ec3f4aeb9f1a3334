"""What kind of machine it is, from the files that say so."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from appliance.machine.helper import HelperError

_APPLIANCE = "etc/twinpost-appliance"
"""Written when an operator has handed the whole machine to Twinpost, and in the image."""
_LIVE = "run/live/medium"
"""Where live-boot mounts the stick that it runs from."""
_RELEASES = "opt/twinpost/releases"
_CURRENT = "opt/twinpost/current"


class System:
    """The machine whose files are below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def appliance(self) -> bool:
        """Whether all of it is Twinpost's."""
        return (self.root / _APPLIANCE).exists()

    @property
    def live(self) -> bool:
        """Whether it runs from a stick."""
        return (self.root / _LIVE).exists()

    @property
    def release(self) -> str:
        """The release in use, "" if none is."""
        with suppress(OSError):
            return Path(os.readlink(self.root / _CURRENT)).name
        return ""

    @property
    def releases(self) -> tuple[str, ...]:
        """All that are installed."""
        with suppress(OSError):
            return tuple(sorted(one.name for one in (self.root / _RELEASES).iterdir()))
        return ()

    def must_be_ours(self) -> None:
        """Raise HelperError where somebody else runs the machine."""
        if not self.appliance:
            raise HelperError(
                "this machine is not Twinpost's alone",
                "use Debian's own tools, or hand it over: twinpost-install install --appliance",
            )

    def read(self, name: str) -> str:
        """A small file of the system, "" if it is not there."""
        with suppress(FileNotFoundError):
            return (self.root / name).read_text("utf-8", "replace")
        return ""

    def write(self, name: str, text: str) -> None:
        """Replace a file of the system, on its disk when this returns; raises OSError."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.twinpost")
        with draft.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
