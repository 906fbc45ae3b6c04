"""A web server on loopback that answers as it is told, and misbehaves on purpose."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Ask:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True)
class Say:
    """A reply, and how it is delivered."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    """Before the first byte."""
    dribble_s: float = 0.0
    """Between the bytes of the body."""
    drop: bool = False
    """Close the connection half-way through the body."""
    cut: bool = False
    """Half the body, delivered as if it were whole."""

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            whole = self.body
        elif isinstance(self.body, str):
            whole = self.body.encode()
        else:
            whole = b"" if self.body is None else json.dumps(self.body).encode()
        return whole[: len(whole) // 2] if self.cut else whole


@dataclass
class Web:
    """What the server does: ``routes`` by path, and ``mood`` before them, if any."""

    url: str = ""
    routes: dict[str, Any] = field(default_factory=dict)
    mood: Callable[[Ask], Say | None] | None = None
    asked: list[Ask] = field(default_factory=list)

    def paths(self) -> Counter[str]:
        """Count the requests by path."""
        return Counter(ask.path for ask in self.asked)

    def reply(self, ask: Ask) -> Say:
        """Return the mood's reply, else the route's: a body, a Say, or a function of the ask."""
        self.asked.append(ask)
        said = self.mood(ask) if self.mood else None
        if said is not None:
            return said
        route = self.routes.get(ask.path, Say(404, {"error": "no such path"}))
        found = route(ask) if callable(route) else route
        return found if isinstance(found, Say) else Say(body=found)


def _read(content: bytes) -> Any:
    """Read JSON; what is none stays as it came."""
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Yield a server on a free port of loopback; with ``tls`` over TLS, as ``localhost``."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("content-length", 0))
            body = _read(self.rfile.read(size))
            headers = {key.lower(): value for key, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            said = web.reply(Ask(self.command, parts.path, query, headers, body))
            time.sleep(said.wait_s)
            content = said.content
            self.send_response(said.status)
            for key, value in ({"content-type": "application/json"} | dict(said.headers)).items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if said.drop:
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.close_connection = True
                return
            for piece in (
                (content[i : i + 1] for i in range(len(content))) if said.dribble_s else (content,)
            ):
                self.wfile.write(piece)
                time.sleep(said.dribble_s)

        do_GET = do_PATCH = do_POST = do_PUT = answer  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

        def handle_error(self, *_: object) -> None:
            """A client that gave up is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        web.url = f"http://127.0.0.1:{server.server_port}"
        if tls:
            web.url = f"https://localhost:{server.server_port}"
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(
            target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}
        )
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
