"""A control server with fixed answers: screens drawn from them look the same each time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from urllib.parse import parse_qs, urlsplit

import msgspec

from appliance.control.schema import API, Failure

NOT_FOUND = Failure(code="not_found", error="no such thing")


class ControlServer(ThreadingUnixStreamServer):
    """Answers each path (below /v1) with a value of the schema; `asked` is what was asked.

    A value that is callable is given the query's and the body's values.
    """

    daemon_threads = True

    def __init__(self, path: Path, answers: Mapping[str, object]) -> None:
        super().__init__(str(path), _Handler)
        self.path = path
        self.answers = dict(answers)
        self.asked: list[tuple[str, str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer

    def do_GET(self) -> None:  # the standard library's name
        self._answer("GET", b"")

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, method: str, body: bytes) -> None:
        split = urlsplit(self.path)
        path = split.path.removeprefix(API)
        if not path.startswith("/peer/"):
            self.server.asked.append((method, path, body))
        answer = self.server.answers.get(path, NOT_FOUND)
        if callable(answer):
            answer = answer(parse_qs(split.query), body)
        status = 404 if answer is NOT_FOUND else 409 if isinstance(answer, Failure) else 200
        said = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        return


@contextmanager
def serving(folder: Path, answers: Mapping[str, object]) -> Iterator[ControlServer]:
    """While this runs, the socket at `.path` answers."""
    with ControlServer(folder / "control.sock", answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
