"""The node of a machine that systemd runs: what an update asks of it."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bundle import system
from bundle.errors import Refused
from bundle.judge import Seen

UNIT = "twinpost.service"
_HELPER = "twinpost-helper.service"
_ANSWER = 10.0
_MOVE = 60.0
_LONGEST = 4 * 3600.0
"""Seconds in which any spool is copied, migrated and read."""


class ControlSocket(http.client.HTTPConnection):
    """The node's API at its Unix socket; whoever is root is an administrator there."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    control: Path, method: str, path: str, body: object = None, patience: float = _ANSWER
) -> Any:
    """The answer of the control API; raises Refused with what it says, OSError."""
    connection = ControlSocket(control, patience)
    try:
        data = None if body is None else json.dumps(body).encode("utf-8")
        connection.request(method, f"/v1{path}", data)
        answer = connection.getresponse()
        said = json.loads(answer.read() or b"null")
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"the node's answer makes no sense: {error}") from None
    finally:
        connection.close()
    if answer.status >= 300:
        said = said if isinstance(said, dict) else {}
        raise Refused(str(said.get("error", answer.reason)), str(said.get("hint", "")))
    return said


def seen(status: Any) -> Seen:
    """What /v1/status says; raises KeyError, TypeError."""
    processes = status["processes"]
    restarts = [int(one["restarts"]) for one in processes]
    mail = status["mail"] or {}
    return Seen(
        version=str(status["version"]),
        ready=bool(processes) and all(one["state"] == "ready" for one in processes),
        restarts=sum(restarts),
        worst=max(restarts, default=0),
        mode=str(status["mode"]),
        exposed=int(mail.get("exposed", 0)),
        active=any(one["here"] for one in status["virtual"]),
    )


class SystemNode:
    """Runs as root; what reads or writes the node's data does so as the node's user."""

    def __init__(self, data: Path, user: str = "twinpost") -> None:
        self.data = data
        self.trial = data / "trial"
        self._user = user
        self._control = data / "run" / "control.sock"

    @property
    def configured(self) -> bool:
        return (self.data / "node.toml").exists()

    def look(self) -> Seen | None:
        try:
            return seen(ask(self._control, "GET", "/status"))
        except (OSError, Refused, KeyError, TypeError, ValueError):
            return None

    def starts(self) -> int:
        said = _run(["systemctl", "show", "--property=NRestarts", "--value", UNIT], 60).strip()
        return int(said) if said.isdecimal() else 0

    def leave(self) -> None:
        ask(self._control, "POST", "/failover/switchover", {}, _MOVE)

    def stop(self) -> None:
        _run(["systemctl", "stop", UNIT], 600)

    def start(self) -> None:
        # The root helper is of the release in use: it comes back when it is asked.
        _run(["systemctl", "stop", "--no-block", _HELPER], 60, check=False)
        _run(["systemctl", "reset-failed", UNIT], 60, check=False)
        _run(["systemctl", "start", "--no-block", UNIT], 60)

    def put(self, release: Path) -> None:
        system.put(release)

    def migrate(self, release: Path, copying: Callable[[Path], None]) -> None:
        command = self._command(release, "migrate")
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                copying(Path(line.rstrip("\n")))
            said = process.stderr.read()
        if process.returncode:
            raise Refused(f"the data could not be migrated: {said.strip()[-500:]}", "see above")

    def digest(self, release: Path, *, upcoming: bool) -> tuple[int, str]:
        options = ["--upcoming"] if upcoming else []
        found = json.loads(self._twinpost(release, "digest", *options))
        return int(found["format"]), str(found["sha256"])

    def exposed(self, release: Path) -> int:
        return int(json.loads(self._twinpost(release, "exposed"))["exposed"])

    def event(self, **values: object) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        line = {"id": "", "event": "update", "at": now, "process": "update", **values}
        with suppress(OSError, KeyError):  # a full disk costs a line of the log, not the update
            self._log(json.dumps(line).encode("utf-8") + b"\n")

    def _log(self, line: bytes) -> None:
        owner = pwd.getpwnam(self._user)
        path = self.data / "log" / "update.log"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o640)
        try:
            os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _twinpost(self, release: Path, *words: str) -> str:
        return _run(self._command(release, *words), _LONGEST)

    def _command(self, release: Path, *words: str) -> Sequence[str]:
        """As the node's user: `twinpost update …` of that release."""
        program = [str(release / "venv/bin/twinpost"), "update", *words, "--data", str(self.data)]
        user = [f"--reuid={self._user}", f"--regid={self._user}", "--init-groups"]
        return ["setpriv", *user, "--", *program]


class SystemClock:
    """The real ones."""

    def wall(self) -> int:
        return int(time.time())

    def running(self) -> float:
        return time.monotonic()

    def rest(self) -> None:
        time.sleep(1)


def _run(command: Sequence[str], patience: float, *, check: bool = True) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=patience,
        check=False,
    )
    if check and done.returncode:
        said = done.stderr.strip().splitlines() or ["it failed without a word"]
        raise Refused(f"{' '.join(command)}: {' '.join(said)[-500:]}", "nothing was lost by it")
    return done.stdout
