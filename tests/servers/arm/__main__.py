"""Run the stand-in as a process of its own: ``python -m servers.arm --port 8443 --ca ca.pem``.

It prints one line of JSON when it is ready. With ``--leash`` it ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import site
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
import uvicorn
from servers.arm import app, login
from servers.arm.connections import connections
from servers.arm.world import SUBSCRIPTION, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Server(uvicorn.Server):
    """A server that leaves signals to us: there are two in one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of https; 0 is a free one")
    parser.add_argument("--plain-port", type=int, default=0, help="of http")
    parser.add_argument("--name", action="append", default=[], help="a further name to answer to")
    parser.add_argument("--ca", type=Path, help="where to write the certificate to trust")
    parser.add_argument("--connections", type=Path, help="where to write Airflow's connections")
    parser.add_argument("--leash", action="store_true", help="end with standard input")
    asyncio.run(_serve(parser.parse_args(argv)))


async def _serve(args: argparse.Namespace) -> None:
    world = World()
    layer, authority = app.build(world), trustme.CA()
    ca = args.ca or world.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    named = authority.issue_cert("localhost", "127.0.0.1", *args.name)
    secure, plain = _socket(args.host, args.port), _socket(args.host, args.plain_port)
    servers = [_server(layer, named), _server(layer, None)]
    _obey_signals(servers, leash=args.leash)
    running = [
        asyncio.ensure_future(server.serve(sockets=[sock]))
        for server, sock in zip(servers, (secure, plain), strict=True)
    ]
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.005)
    ready = _ready(ca, secure, plain, args.name)
    if args.connections:
        # What is submitted finds this package where the stand-in does.
        world.settings.job_env["PYTHONUSERBASE"] = site.getuserbase()
        urls = {key: ready[key] for key in ("url", "plain_url", "ca")}
        _write(args.connections, connections(world, **urls))
    print(json.dumps(ready), flush=True)  # noqa: T201 - said to who started us
    async with app.closing(layer):
        await asyncio.gather(*running)
    shutil.rmtree(world.folder, ignore_errors=True)


def _server(layer: app.Layer, named: trustme.LeafCert | None) -> Server:
    config = uvicorn.Config(
        layer,
        interface="asgi3",
        http="h11",
        lifespan="off",
        log_level="critical",
        proxy_headers=False,
        timeout_graceful_shutdown=0,
        backlog=512,
    )
    config.load()
    if named is not None:
        import ssl  # noqa: PLC0415 - the secure one only

        config.ssl = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        named.configure_cert(config.ssl)
    return Server(config)


def _socket(host: str, port: int) -> socket.socket:
    sock = socket.create_server((host, port), backlog=512)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)  # noqa: FBT003 - the library's way
    return sock


def _ready(
    ca: Path, secure: socket.socket, plain: socket.socket, names: Sequence[str]
) -> dict[str, Any]:
    https, http = (names[0], names[0]) if names else ("localhost", "127.0.0.1")
    return {
        "url": f"https://{https}:{secure.getsockname()[1]}",
        "plain_url": f"http://{http}:{plain.getsockname()[1]}",
        "ca": str(ca),
        "subscription": SUBSCRIPTION,
        "tenant": login.TENANT,
        "client": login.CLIENT,
        "secret": login.SECRET,
        "identity_header": login.IDENTITY_HEADER,
    }


def _write(file: Path, text: str) -> None:
    part = file.with_name(f"{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(file)


def _obey_signals(servers: Sequence[Server], *, leash: bool) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop)
    if leash:
        loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.read1() or stop())


if __name__ == "__main__":
    main()
