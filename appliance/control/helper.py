"""Control's client of the root helper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.control.http import NotDone
from appliance.decoding import from_json
from appliance.ipc.machine import (
    LINE_LIMIT,
    Answer,
    Call,
    Failed,
    Progress,
    Request,
    Result,
)
from appliance.ipc.socket_file import connected_socket
from appliance.mail.views import Unavailable

T = TypeVar("T")
_HINT = "see `systemctl status twinpost-helper`"


class Helper:
    """Asks the root helper at `path`, one connection a request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decode = msgspec.json.Decoder(Answer).decode

    @property
    def there(self) -> bool:
        """Whether this node manages its machine."""
        return self._path.is_socket()

    async def ask(
        self,
        request: Request,
        wanted: type[T],
        by: str,
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> T:
        """Have it done for `by`; it takes as long as it takes. Raises NotDone, Unavailable.

        What has begun goes on if this is cancelled.
        """
        try:
            sock = connected_socket(self._path)
        except (FileNotFoundError, ConnectionRefusedError):
            hint = "only a node of an installed Twinpost does: use the system's own tools"
            raise NotDone("this node does not manage its machine", hint) from None
        except OSError as error:
            raise Unavailable(f"the root helper: {error.strerror}", _HINT) from error
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LINE_LIMIT)
        try:
            call = Call(by, msgspec.Raw(msgspec.json.encode(request)))
            writer.write(msgspec.json.encode(call) + b"\n")
            while line := await reader.readline():
                match self._decode(line):
                    case Progress() as progress:
                        tell(progress)
                    case Failed(cause, hint):
                        raise NotDone(cause, hint)
                    case Result(value):
                        return from_json(value, wanted)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            raise Unavailable(f"the root helper: {error}", _HINT) from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        raise Unavailable("the root helper broke off", _HINT)
