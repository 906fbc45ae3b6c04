"""Processes of their own that need not import Airflow: each is a fork of one that has.

Their parent is no test, their outputs are pipes, and they end as Python does, with what it calls
then: all as in a process that was started anew, 4 s of processor time earlier.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HANGS_S = 60
MOST_BYTES = 1 << 17
"""Of an order: a script and an environment."""


class Forks:
    """Has scripts run in forks of the process at the other end of a socket."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server

    def run(
        self, script: str, *arguments: str, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a script to the end of its outputs, as ``python -c`` does."""
        order = {"script": script, "arguments": arguments, "env": dict(env)}
        outputs = [os.pipe() for _ in range(2)]
        socket.send_fds(self._server, [json.dumps(order).encode()], [into for _, into in outputs])
        for _, into in outputs:
            os.close(into)
        pid = int(self._server.recv(MOST_BYTES))
        with ThreadPoolExecutor(2) as pool:
            reading = [pool.submit(_read, out) for out, _ in outputs]
            try:
                stdout, stderr = (one.result(HANGS_S) for one in reading)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(script, int(self._server.recv(99)), stdout, stderr)


def _read(out: int) -> str:
    with os.fdopen(out) as file:
        return file.read()


@contextmanager
def forking(*modules: str, env: Mapping[str, str]) -> Iterator[Forks]:
    """Start a process that imports modules, and end it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", "-W", "ignore", __file__, str(theirs.fileno()), *modules]
    with ours, theirs:
        server = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        ours.settimeout(HANGS_S)
        try:
            yield Forks(ours)
        finally:
            server.kill()
            server.wait()


def _serve(orders: socket.socket) -> None:
    """Fork for each order, and return in the fork; end with the orders."""
    while True:
        message, outputs, *_ = socket.recv_fds(orders, MOST_BYTES, 2)
        if not message:
            sys.exit()
        pid = os.fork()
        if not pid:
            break
        orders.send(str(pid).encode())
        for output in outputs:
            os.close(output)
        _, status = os.waitpid(pid, 0)
        orders.send(str(os.waitstatus_to_exitcode(status)).encode())
    orders.close()
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
        os.close(output)
    order = json.loads(message)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["-c", *order["arguments"]]
    exec(compile(order["script"], "<script>", "exec"), {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    _serve(socket.socket(fileno=int(sys.argv[1])))
