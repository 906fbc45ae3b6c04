"""A real Airflow of one's own: scheduler, dag-processor, triggerer and api-server in a folder.

Used by the demo, the tests and the benchmarks. Free ports, SQLite, nothing outside the
folder; it ends with its whole process tree, also when this process is interrupted.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import psutil
from processes import belongs_to, stop_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TERMINAL = {"success", "failed"}
HEALTHY_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class AirflowFailedError(RuntimeError):
    """Airflow did not do what was asked; says where its log is."""


@dataclass(kw_only=True)
class Standalone:
    """``airflow standalone`` in ``home``, with the DAGs of ``dags``.

    ``env`` is added to the environment of every component; ``patience_s`` is how long
    Airflow may take to become healthy [s]; all patience is multiplied by ``slowness``.
    """

    home: Path
    dags: Path
    env: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 180
    slowness: float = 1

    def __enter__(self) -> Self:
        """Start Airflow and wait until all four components are healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.port, self._log_port, self._trigger_log_port = _free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = self.home / "airflow.log"
        self._started: list[subprocess.Popen[bytes]] = []
        self._triggered: list[tuple[str, str]] = []
        self._left = False
        self._client = httpx.Client(base_url=self.url, timeout=30)
        with ExitStack() as stack:
            stack.callback(self.stop)
            self.start("standalone")
            self._wait_healthy()
            token = self._client.get("/auth/token").raise_for_status().json()["access_token"]
            self._client.headers["Authorization"] = f"Bearer {token}"
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End every process."""
        self.stop()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a component of Airflow; its output goes to the log file."""
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=self.environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        belongs_to(self.home, process.pid)
        return process

    def run(self, *command: str) -> str:
        """Run an ``airflow`` command to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            env=self.environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"airflow {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}"
            raise AirflowFailedError(message)
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Return the environment of the components."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self._log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._trigger_log_port),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "NO_PROXY": "127.0.0.1,localhost",
            **self.env,
        }

    def stop(self) -> None:
        """End every process of every component, unless it was left."""
        if not self._left:
            stop_in(self.home)
        self._client.close()

    def leave(self) -> None:
        """Let Airflow go on when this is over; :func:`stop_in` ends it."""
        self._left = True

    def family(self) -> list[psutil.Process]:
        """Return every running process of every component."""
        found: list[psutil.Process] = []
        for process in self._started:
            with suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def component(self, name: str) -> list[psutil.Process]:
        """Return the running processes of a component, ``triggerer`` say."""
        found = []
        for one in self.family():
            with suppress(psutil.NoSuchProcess):
                if one.cmdline()[-1:] == [name]:
                    found.append(one)
        if not found:
            message = f"no {name} is running; see {self.log_file}"
            raise AirflowFailedError(message)
        return found

    def api(self, method: str, path: str, **kwargs: Any) -> Any:
        """Call Airflow's REST API (v2) and return its JSON."""
        reply = self._client.request(method, f"/api/v2{path}", **kwargs)
        if reply.is_error:
            message = f"{method} {path}: {reply.status_code} {reply.text}"
            raise AirflowFailedError(message)
        return reply.json() if reply.content else None

    def connect(
        self, conn_id: str, conn_type: str = "carbon", *, extra: str | None = None, **fields: object
    ) -> None:
        """Write a connection over the API, in place of an earlier one.

        ``fields`` are the connection's own: ``login``, ``password``; of a carbon connection, what
        its ``extra`` holds.
        """
        if conn_type == "carbon":
            fields, extra = {}, json.dumps(fields)
        known = self.api("GET", "/connections", params={"limit": 100})["connections"]
        if conn_id in {one["connection_id"] for one in known}:
            self.api("DELETE", f"/connections/{conn_id}")
        body = {"connection_id": conn_id, "conn_type": conn_type, "extra": extra, **fields}
        self.api("POST", "/connections", json=body)

    def trigger(self, dag_id: str, **conf: object) -> str:
        """Start a run of a DAG and return its id."""
        self.until(lambda: self.has_dag(dag_id), 120, f"there is no DAG {dag_id}")
        body = {"logical_date": None, "conf": conf}
        run_id: str = self.api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
        self._triggered.append((dag_id, run_id))
        return run_id

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether Airflow has read a DAG; raises where a DAG file has an error."""
        errors = self.api("GET", "/importErrors")["import_errors"]
        if errors:
            raise AirflowFailedError(errors[0]["stack_trace"])
        return self._client.get(f"/api/v2/dags/{dag_id}").is_success

    def dag_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a DAG run."""
        found: dict[str, Any] = self.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        return found

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = []
        while len(
            page := self.api("GET", path, params={"limit": 100, "offset": len(found)})[
                "task_instances"
            ]
        ):
            found += page
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """Return what a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        params = {"map_index": map_index, "deserialize": True}
        return self.api("GET", path, params=params)["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> list[str]:
        """Return the sentences of a task's log, none where it has not begun."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        reply = self._client.get(f"/api/v2{path}", params={"full_content": True})
        if reply.status_code == httpx.codes.NOT_FOUND:
            return []
        content = reply.raise_for_status().json()["content"]
        return [line["event"] if isinstance(line, dict) else str(line) for line in content]

    def finished(self, dag_id: str, run_id: str, patience_s: float) -> str:
        """Wait for a run to end and return its state."""
        self.until(
            lambda: self.dag_run(dag_id, run_id)["state"] in TERMINAL,
            patience_s,
            f"{dag_id} {run_id} did not end",
        )
        state: str = self.dag_run(dag_id, run_id)["state"]
        return state

    def succeeds(self, dag_id: str, run_id: str, patience_s: float) -> None:
        """Wait for a run to succeed; raises with the logs of its failed tasks if it does not."""
        if self.finished(dag_id, run_id, patience_s) == "success":
            return
        message = f"{dag_id} {run_id} failed\n{self.story(dag_id, run_id)}"
        raise AirflowFailedError(message)

    def story(self, dag_id: str, run_id: str) -> str:
        """Return what became of a run: the state and log of each task, the scheduler's reasons."""
        said = []
        for task in self.task_instances(dag_id, run_id):
            for number in range(1, (task["try_number"] or 0) + 1):
                said.append(f"{dag_id} {task['task_id']}, try {number}, is {task['state']}:")
                said += self.log(dag_id, run_id, task["task_id"], number)
        # The scheduler's reason for a task that it failed by itself is in no task's log.
        scheduler = self.log_file.read_text(errors="replace").splitlines()
        said += [line for line in scheduler if "reported that the task instance" in line]
        return "\n".join(said)

    def last_story(self) -> str:
        """Return what became of the run that was started last."""
        return self.story(*self._triggered[-1]) if self._triggered else "no run was started"

    def until(self, holds: Callable[[], bool], patience_s: float, complaint: str) -> None:
        """Wait until something holds."""
        patience_s *= self.slowness
        end = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > end:
                message = f"{complaint} within {patience_s:.0f} s; see {self.log_file}"
                raise AirflowFailedError(message)
            time.sleep(0.5)

    def _wait_healthy(self) -> None:
        self.until(self._healthy, self.patience_s, "Airflow did not become healthy")

    def _healthy(self) -> bool:
        if self._started[0].poll() is not None:
            message = f"Airflow ended before it was up; see {self.log_file}"
            raise AirflowFailedError(message)
        try:
            health = self._client.get("/api/v2/monitor/health").json()
        except (httpx.TransportError, ValueError):
            return False
        return all(health.get(part, {}).get("status") == "healthy" for part in HEALTHY_COMPONENTS)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
