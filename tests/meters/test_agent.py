"""The agent runs a command as if it were alone, and its log tells what was drawn."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hanging import HANGS_S, until

GPU0, GPU1 = (f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(2))
UNTIL = "until {}; do sleep 0.02; done; "
INTERVAL_SEEN = UNTIL.format('grep -q t0 "$OUT"')


# What is counted


def test_two_gpus_are_counted_to_the_millijoule(gpus) -> None:
    gpus.state("count 2; gpu0.energy_mj 5000000; gpu1.energy_mj 7000000")
    gpus.state("count 2; gpu0.energy_mj 5123457; gpu1.energy_mj 7300001", "later")

    rc, stderr = gpus.run(INTERVAL_SEEN + "mv later state")

    assert (rc, stderr) == (0, "")
    assert gpus.devices() == [GPU0, GPU1, "cpu", "memory"]
    assert gpus.joules(GPU0) == pytest.approx(123.457, abs=1e-9)
    assert gpus.joules(GPU1) == pytest.approx(300.001, abs=1e-9)
    assert gpus.qualities(GPU0) == gpus.qualities(GPU1) == {"counter"}


def test_the_joules_of_the_intervals_are_the_counter_s_difference(gpus) -> None:
    gpus.state("power_mw 300000")

    gpus.run(UNTIL.format('[ "$(grep -vc segment "$OUT")" -ge 4 ]'))

    (segment,), intervals = gpus.lines("segment"), gpus.lines("interval")
    counted = intervals[-1]["raw_mj"][GPU0] - segment["raw_mj"][GPU0]
    assert counted > 0
    assert gpus.joules(GPU0) == pytest.approx(counted / 1000, abs=1e-9)
    assert [segment["t"], *(i["t1"] for i in intervals[:-1])] == [i["t0"] for i in intervals]
    assert gpus.lines("end")[0]["t"] == intervals[-1]["t1"]


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ("1", [GPU1]),
        ("GPU-00000001", [GPU1]),
        ("1,5,0", [GPU1]),
        ("", []),
        ("-1", []),
        ("MIG-00000000-1111", ["MIG-00000000-1111"]),
    ],
)
def test_only_the_gpus_that_cuda_shows_are_charged(gpus, visible, seen) -> None:
    gpus.state("count 2")

    rc, _ = gpus.run("true", CUDA_VISIBLE_DEVICES=visible)

    assert rc == 0
    assert gpus.devices() == [*seen, "cpu", "memory"]


def test_a_mig_device_is_missing_not_nought(gpus) -> None:
    gpus.state("count 1")

    _, stderr = gpus.run("true", CUDA_VISIBLE_DEVICES="MIG-00000000-1111")

    assert gpus.qualities("MIG-00000000-1111") == {"missing"}
    assert stderr.count("\n") == 1
    assert "MIG" in stderr


def test_a_gpu_that_is_lost_and_comes_back_is_counted_once_and_whole(gpus) -> None:
    gpus.state("energy_mj 1000")
    gpus.state("rc_energy 15", "lost")
    gpus.state("energy_mj 601000", "back")

    lost_seen = UNTIL.format('grep -q missing "$OUT"')
    rc, stderr = gpus.run(INTERVAL_SEEN + "mv lost state; " + lost_seen + "mv back state")

    assert rc == 0
    assert "GPU-00000000" in stderr
    assert gpus.joules(GPU0) == 600.0
    assert gpus.qualities(GPU0) == {"counter", "missing"}
    (back,) = (line for line in gpus.lines("interval") if "since" in line)
    missing = [line for line in gpus.lines("interval") if line["q"][GPU0] == "missing"]
    assert back["since"][GPU0] == missing[0]["t0"]


def test_a_counter_that_was_reset_is_missing_and_never_negative(gpus) -> None:
    gpus.state("energy_mj 900000")
    gpus.state("energy_mj 50", "reset")
    gpus.state("energy_mj 7050", "later")

    reset_seen = UNTIL.format('grep -q missing "$OUT"')
    gpus.run(INTERVAL_SEEN + "mv reset state; " + reset_seen + "mv later state")

    joules = [line["j"][GPU0] for line in gpus.lines("interval")]
    assert joules.count(None) == 1
    assert all(j is None or j >= 0 for j in joules)
    assert gpus.joules(GPU0) == 7.0


def test_without_a_counter_power_is_integrated_and_says_so(gpus) -> None:
    gpus.state("rc_energy 3; power_mw 250000")

    gpus.run(INTERVAL_SEEN)

    assert gpus.lines("segment")[0]["devices"][0]["method"] == "power"
    assert gpus.qualities(GPU0) == {"power"}
    for line in gpus.lines("interval"):
        assert line["j"][GPU0] == pytest.approx(250 * (line["t1"] - line["t0"]), abs=0.001)


def test_a_card_without_any_reading_is_missing(gpus) -> None:
    gpus.state("rc_energy 3; rc_power 3")

    gpus.run(INTERVAL_SEEN)

    assert gpus.qualities(GPU0) == {"missing"}


def test_a_broken_driver_is_said_once_and_is_missing_energy(gpus) -> None:
    gpus.state("rc_init 999")

    rc, stderr = gpus.run(INTERVAL_SEEN + "exit 4")

    assert rc == 4
    assert stderr.count("\n") == 1
    assert gpus.qualities("gpu") == {"missing"}
    assert gpus.qualities("cpu") == {"model"}


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="there is a GPU here")
@pytest.mark.parametrize("rc_init", [9, 12])
def test_without_a_driver_there_is_no_gpu_and_nothing_to_say(gpus, rc_init) -> None:
    gpus.state(f"rc_init {rc_init}")

    assert gpus.run("true") == (0, "")
    assert gpus.devices() == ["cpu", "memory"]


def test_without_a_gpu_a_busy_command_has_a_modelled_figure(agent) -> None:
    rc, stderr = agent.run('i=0; while [ "$i" -lt 100000 ]; do i=$((i+1)); done')

    assert (rc, stderr) == (0, "")
    assert agent.devices() == ["cpu", "memory"]
    assert agent.qualities("cpu") == {"model"}
    assert agent.joules("cpu") > 0


def test_processor_time_of_grandchildren_counts(agent) -> None:
    busy = f"""{sys.executable} -c 'import time
while time.process_time() < 0.3: pass'"""

    agent.run(f"({busy} & wait); {busy}")

    assert agent.joules("cpu") >= 0.6 * 3.76


# What passes through


@pytest.mark.parametrize(
    ("script", "rc"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_the_exit_code_is_the_command_s(agent, script, rc) -> None:
    assert agent.run(script) == (rc, "")
    assert agent.lines("end")[0]["rc"] == rc


def test_a_command_that_is_not_there_is_as_in_a_shell(agent) -> None:
    rc, stderr = agent.run("no-such-command", "--it")

    assert rc == 127
    assert "no-such-command" in stderr
    assert agent.run(str(agent.folder), "--it")[0] == 126


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2"])
def test_a_signal_reaches_the_command_whose_code_is_returned(agent, name) -> None:
    ready = agent.folder / "ready"
    started = agent.start(f"trap 'exit 7' {name}; touch ready; while :; do sleep 0.02; done")
    until(ready.exists)
    started.send_signal(getattr(signal, f"SIG{name}"))

    assert started.wait(HANGS_S) == 7
    assert agent.lines("end")[0]["rc"] == 7
    started.stderr.close()


def test_what_is_known_is_written_before_a_signal_is_passed_on(agent) -> None:
    noted = agent.folder / "noted"
    script = "trap 'grep -vc segment \"$OUT\" > noted; exit 0' TERM; touch ready; "
    slow = agent.start(script + "while :; do sleep 0.02; done", interval_s=3600)
    until((agent.folder / "ready").exists)
    slow.send_signal(signal.SIGTERM)

    assert slow.wait(HANGS_S) == 0
    assert int(noted.read_text()) == 1
    slow.stderr.close()


def test_a_signal_that_was_ignored_stays_so(agent) -> None:
    wrapped = f"trap '' HUP; {sys.executable} -m airflow_carbon.measure --out {agent.out} -- "

    rc, _ = agent.run(wrapped + "sh -c 'kill -HUP $$; kill -HUP $PPID; exit 5'")

    assert rc == 5


def test_ctrl_c_at_a_terminal_reaches_the_command_once(agent) -> None:
    script = "trap 'echo x >> hits' INT; touch ready; while ! [ -e stop ]; do sleep 0.02; done"
    arguments = agent.arguments("sh", "-c", script)
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(agent.folder)
            os.execve(arguments[0], arguments, agent.variables())  # noqa: S606 - no shell is meant
        finally:
            os._exit(127)
    until((agent.folder / "ready").exists)
    os.write(terminal, b"\x03")
    until((agent.folder / "hits").exists)
    first = len(agent.lines("interval"))
    until(lambda: len(agent.lines("interval")) > first)
    (agent.folder / "stop").touch()

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (agent.folder / "hits").read_text() == "x\n"
    os.close(terminal)


# What may fail


def test_a_kill_leaves_what_was_recorded_and_a_retry_appends(gpus) -> None:
    gpus.state("energy_mj 1000")
    gpus.state("energy_mj 9000", "later")
    script = UNTIL.format('[ "$(grep -vc segment "$OUT")" -ge 3 ]') + "touch ready; "
    killed = gpus.start(script + "while ! [ -e stop ]; do sleep 0.02; done")
    until((gpus.folder / "ready").exists)
    killed.kill()
    killed.wait(HANGS_S)
    killed.stderr.close()
    (gpus.folder / "stop").touch()
    before = gpus.out.read_bytes()

    assert len(gpus.lines("interval")) >= 3
    assert gpus.lines("end") == []

    gpus.run("mv later state")

    assert gpus.out.read_bytes().startswith(before)
    first, second = (line["seg"] for line in gpus.lines("segment"))
    assert first != second
    assert [line["seg"] for line in gpus.lines("end")] == [second]
    assert gpus.joules(GPU0) == 8.0


def test_a_torn_last_line_spoils_no_later_one(agent) -> None:
    agent.run("true")
    agent.out.write_bytes(agent.out.read_bytes() + b'{"type":"interval","seg":"tor')

    agent.run("exit 2")

    assert len(agent.lines("segment")) == 2
    assert agent.lines("end")[-1]["rc"] == 2


@pytest.mark.parametrize("hangs", ["hang_ms 600000", "rc_energy 3; hang_ms 600000"])
def test_a_driver_that_hangs_holds_up_neither_signals_nor_the_end(gpus, hangs) -> None:
    fine = hangs.replace("hang_ms 600000", "hang_ms 0")
    gpus.state(fine)
    gpus.state(hangs, "hung")
    script = INTERVAL_SEEN + "mv hung state; " + UNTIL.format('grep -q missing "$OUT"')
    started = gpus.start(script + "trap 'exit 6' TERM; touch ready; while :; do sleep 0.02; done")
    until((gpus.folder / "ready").exists)
    started.terminate()

    assert started.wait(20) == 6
    assert gpus.lines("end")[0]["rc"] == 6
    started.stderr.close()


@pytest.mark.parametrize("out", [".", "/dev/full", "file/below.jsonl"])
def test_a_log_that_cant_be_written_is_said_and_the_command_runs(agent, out) -> None:
    (agent.folder / "file").touch()

    rc, stderr = agent.run("touch ran; exit 3", out=agent.folder / out)

    assert rc == 3
    assert (agent.folder / "ran").exists()
    assert stderr.count("\n") == 1
    assert "can't be written" in stderr


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
def test_a_disk_that_was_full_for_a_while_costs_no_joule(gpus) -> None:
    gpus.state("energy_mj 1000")
    gpus.state("energy_mj 6000", "meanwhile")
    gpus.state("energy_mj 10000", "later")
    script = INTERVAL_SEEN + "touch ready; " + UNTIL.format("[ -e stop ]") + "mv later state"
    started = gpus.start(script)
    until((gpus.folder / "ready").exists)
    _, most = resource.prlimit(started.pid, resource.RLIMIT_FSIZE)
    full_at = gpus.out.stat().st_size + 300
    resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (full_at, most))
    until(lambda: gpus.out.stat().st_size == full_at)
    (gpus.folder / "meanwhile").rename(gpus.folder / "state")
    said = started.stderr.readline()
    resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (most, most))
    (gpus.folder / "stop").touch()

    assert started.wait(HANGS_S) == 0
    assert "can't be written" in said
    intervals = gpus.lines("interval")
    assert [i["t1"] for i in intervals[:-1]] == [i["t0"] for i in intervals[1:]]
    assert gpus.joules(GPU0) == 9.0
    started.stderr.close()


# What the log says, and does not


def test_the_log_names_the_airflow_run(agent) -> None:
    names = {"DAG_ID": "nightly", "TASK_ID": "train", "DAG_RUN_ID": "r1", "TRY_NUMBER": "2"}

    agent.run("true", **{f"AIRFLOW_CTX_{name}": value for name, value in names.items()})

    run = {"dag_id": "nightly", "task_id": "train", "run_id": "r1", "try_number": 2}
    assert agent.lines("segment")[0]["run"] == run


def test_arguments_and_environment_may_be_secret_and_stay_out_of_the_log(agent) -> None:
    agent.run("/bin/sh", "-c", "true", "--password=hunter2", TOKEN="hunter3")  # noqa: S106

    text = agent.out.read_text()
    assert "hunter" not in text
    assert json.loads(text.splitlines()[0])["command"] == "sh"


def test_the_agent_needs_the_standard_library_alone(agent) -> None:
    code = "import airflow_carbon.meters.agent, sys; print(*sys.modules)"
    loaded = subprocess.check_output(
        [sys.executable, "-c", code], env=agent.variables(), text=True
    ).split()

    assert {"airflow", "numpy", "pandas", "pynvml", "psutil"}.isdisjoint(loaded)


def test_a_command_is_asked_for(agent) -> None:
    forgotten = agent.arguments()

    asked = subprocess.run(
        forgotten, env=agent.variables(), capture_output=True, text=True, check=False
    )

    assert asked.returncode == 2
    assert "-- python train.py" in asked.stderr
