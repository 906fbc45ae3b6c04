"""What all commands have in common: statuses, streams, colours, widths, and a quick start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from servers.web import Say, serving

import airflow_carbon
from airflow_carbon import __version__
from airflow_carbon.cli.main import STATUSES, main

ROOT = Path(__file__).parents[2]
COMMANDS = [
    ["demo"], ["plan"], ["forecast"], ["regions"], ["backtest"], ["azure-carbon"], ["report"],
    ["doctor"], ["ledger", "export"], ["ledger", "migrate"], ["ledger", "prune"],
    ["ledger", "reconcile"],
]  # fmt: skip


def process(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_carbon.cli", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from airflow_carbon.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    for asked in (["--help"], ["plan", "--help"], ["ledger", "prune", "--help"], ["measure", "-h"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *asked],
            cwd=Path(airflow_carbon.__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stderr.split())
        assert done.stdout.startswith("usage: ")
        assert not loaded & {"airflow", "pandas", "numpy", "httpx", "sqlalchemy", "rich", "scipy"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_its_own_parser_takes(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"airflow-carbon {' '.join(command)}" in said.partition("examples:")[2]
    assert "--json" in said
    known = set(re.findall(r"--[a-z-]+", said.partition("examples:")[0]))
    assert set(re.findall(r" (--[a-z-]+)", said.partition("examples:")[2])) <= known


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"airflow-carbon {__version__}\n"


def test_the_statuses_of_the_help_are_those_of_the_docs():
    page = (ROOT / "docs" / "how-to" / "command-line.md").read_text()

    for status in re.findall(r"^  (\d+) ", STATUSES, re.MULTILINE):
        assert f"| {status} |" in page


@pytest.mark.parametrize("arguments", [[], ["nope"], ["plan", "--dur", "4h"], ["forecast"]])
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")


def test_json_is_alone_on_standard_output_and_warnings_are_sentences(monkeypatch, capsys):
    with serving() as web:
        web.mood = lambda _: Say(503)
        extra = {"sources": "uk_carbon_intensity", "uk_carbon_intensity_url": web.url}
        connection = json.dumps({"conn_type": "carbon", "extra": extra | {"archive_issues": False}})
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", connection)

        status = main(["forecast", "GB", "--hours", "2", "--json"])

    said = capsys.readouterr()
    assert status == 0
    assert json.loads(said.out)["zone"] == "GB"
    assert said.err.startswith("the next source is asked: uk_carbon_intensity")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_what_is_printed_does_not_depend_on_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)

    main(["regions", "Germany,France"])

    said = capsys.readouterr().out
    assert "germanywestcentral  DE" in said
    assert "…" not in said


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(no_color, coloured, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)

    main(["forecast", "DE", "--duration", "2h", "--hours", "12"])

    assert ("\x1b[" in capsys.readouterr().out) == coloured


def test_what_should_not_happen_is_a_sentence_too(capsys, monkeypatch):
    monkeypatch.setattr("airflow_carbon.cli.forecast.ask", lambda *_: 1 / 0)

    assert main(["forecast", "DE"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("airflow-carbon: this should not happen: ZeroDivisionError")
    assert "Traceback" not in said

    assert main(["--traceback", "forecast", "DE"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "airflow_carbon.cli", "--help"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "airflow-carbon: [Errno 28] No space left on device\n"


def test_an_airflow_that_can_not_start_is_a_sentence(tmp_path):
    (tmp_path / "airflow.cfg").write_text("this is [no configuration\n")

    started = process("doctor", AIRFLOW_HOME=str(tmp_path), HOME=str(tmp_path))
    out, err = started.communicate()

    assert (started.returncode, out) == (1, "")
    assert "airflow-carbon: Airflow can't start here" in err
    assert "Traceback" not in err


def test_measure_is_the_agent_and_its_status_the_commands(tmp_path):
    log = tmp_path / "energy.jsonl"
    started = process("measure", "--out", str(log), "--", "sh", "-c", "echo hello; exit 7")

    out, _ = started.communicate()

    assert (started.returncode, out) == (7, "hello\n")
    assert json.loads(log.read_text().splitlines()[0])["type"] == "segment"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path, number):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else it would be ignored there, too
    started = process("demo", TMPDIR=str(tmp_path), HOME=str(tmp_path))
    assert "its database is made" in started.stdout.readline()
    family = psutil.Process(started.pid).children(recursive=True)

    started.send_signal(number)
    _, err = started.communicate()

    assert started.returncode == 130
    assert err == "airflow-carbon: interrupted\n"
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    assert list(tmp_path.glob("airflow-carbon-demo-*")) == []


def test_a_demo_takes_no_folder_that_is_somebodys(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")

    assert main(["demo", "--home", str(tmp_path)]) == 2
    assert "empty" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]
