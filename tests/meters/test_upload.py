"""The log goes to where it can be read, and whatever becomes of it, the exit code stands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from servers.web import Say, serving

from airflow_carbon.meters import upload as uploading
from airflow_carbon.meters.agent import UPLOAD_URL
from airflow_carbon.meters.upload import upload


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "energy.jsonl"
    file.write_bytes(b'{"version": 1}\n{"seconds": 1}\n')
    return file


def test_the_whole_log_becomes_a_blob(server, log):
    server.routes["/logs/run.jsonl"] = Say(status=201)

    assert upload(log, f"{server.url}/logs/run.jsonl?sig=hush")

    (ask,) = server.asked
    assert ask.method == "PUT"
    assert ask.headers["x-ms-blob-type"] == "BlockBlob"
    assert ask.query == {"sig": "hush"}
    assert ask.body == log.read_bytes()


def test_what_fails_is_tried_again_and_the_signature_is_never_shown(
    server, log, monkeypatch, capfd
):
    monkeypatch.setattr(uploading, "PAUSE_S", 0.01)
    server.routes["/logs/run.jsonl"] = Say(status=503)

    assert not upload(log, f"{server.url}/logs/run.jsonl?sig=hush")

    assert len(server.asked) == 3
    said = capfd.readouterr().err
    assert "status 503" in said
    assert "hush" not in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x?sig=hush", "nonsense", ""])
def test_nowhere_to_put_it_is_no_error(log, url, monkeypatch, capfd):
    monkeypatch.setattr(uploading, "PAUSE_S", 0.01)

    assert not upload(log, url)
    assert "hush" not in capfd.readouterr().err


def test_the_agent_puts_its_log_and_keeps_the_commands_exit_code(server, tmp_path):
    server.routes["/logs/run.jsonl"] = Say(status=201)
    url = f"{server.url}/logs/run.jsonl?sig=hush"
    command = [sys.executable, "-m", "airflow_carbon.measure", "--out", tmp_path / "e.jsonl"]

    done = subprocess.run(
        [*command, "--", "sh", "-c", "exit 3"], env={**os.environ, UPLOAD_URL: url}, check=False
    )

    assert done.returncode == 3
    assert len(server.asked) == 1
