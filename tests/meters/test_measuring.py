"""A running process is measured as a command is, and does not notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hanging import HANGS_S, until

from airflow_carbon.meters.measuring import measuring
from airflow_carbon.meters.modelled import WATTS_PER_BUSY_VCPU
from airflow_carbon.meters.reading import read_measurement

GPU0 = "GPU-00000000-0000-4000-8000-000000000000"

BURN = """
import ctypes, os, sys, time
from airflow_carbon.meters.measuring import Measuring, measuring
OUT = os.environ["OUT"]

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def used():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system

def await_(text):
    while text not in open(OUT).read():
        time.sleep(0.02)
"""


def run(agent, script: str, **variables: str):
    """Run a Python script beside which the agent counts."""
    done = subprocess.run(
        [sys.executable, "-c", BURN + script],
        env=agent.variables(**variables),
        cwd=agent.folder,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


def agents_of(folder: Path) -> list[int]:
    """Return the agents that count into this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            words = (int(entry.name), (entry / "cmdline").read_bytes().split(b"\0"))
            if b"airflow_carbon.meters.beside" in words[1] and any(
                bytes(folder) in word for word in words[1]
            ):
                found.append(words[0])
    return found


def gone(folder: Path) -> None:
    until(lambda: not agents_of(folder))


def test_the_block_s_own_processor_time_is_counted_and_no_other(agent) -> None:
    rc, said, stderr = run(
        agent,
        "burn(0.3)\n"
        "with measuring(OUT, interval_s=0.1):\n"
        "    before = used()\n"
        "    burn(0.3)\n"
        "    after = used()\n"
        "    burn(0.02)\n"
        "print(after - before)",
    )

    assert (rc, stderr) == (0, "")
    counted_s = read_measurement(agent.out).profile.total / WATTS_PER_BUSY_VCPU
    assert 0.25 < float(said) - 0.02 <= counted_s <= float(said) + 0.2
    assert agent.lines("end")[0]["rc"] == 0


def test_the_time_of_children_is_counted_also_when_they_have_ended(agent) -> None:
    script = (
        "import subprocess\n"
        "with measuring(OUT, interval_s=0.1):\n"
        "    subprocess.run([sys.executable, '-c', 'import time\\n"
        "while time.process_time() < 0.4: pass'])\n"
    )

    run(agent, script)

    assert read_measurement(agent.out).profile.total >= 0.35 * WATTS_PER_BUSY_VCPU


def test_no_interval_is_lost_while_the_block_holds_the_interpreter(gpus) -> None:
    gpus.state("power_mw 300000")
    script = (
        "with measuring(OUT, interval_s=0.1):\n"
        "    ctypes.PyDLL(None).usleep(900000)\n"  # PyDLL keeps the interpreter to itself
    )

    rc, _, stderr = run(gpus, script)

    assert (rc, stderr) == (0, "")
    assert len(gpus.lines("interval")) >= 6
    segment, last = gpus.lines("segment")[0], gpus.lines("interval")[-1]
    counted_mj = last["raw_mj"][GPU0] - segment["raw_mj"][GPU0]
    assert gpus.joules(GPU0) == pytest.approx(counted_mj / 1000)
    assert gpus.joules(GPU0) == pytest.approx(300 * (last["t1"] - segment["t"]), rel=0.2)


def test_a_block_that_raises_is_measured_and_raises(agent) -> None:
    rc, _, stderr = run(agent, "with measuring(OUT, interval_s=0.1):\n    raise KeyError('own')")

    assert rc == 1
    assert stderr.strip().endswith("KeyError: 'own'")
    assert agent.lines("end")[0]["rc"] == 1


def test_a_process_that_is_killed_leaves_its_measurement_and_no_agent(agent) -> None:
    script = "with measuring(OUT, interval_s=0.1):\n    burn(0.5)\n    os.kill(os.getpid(), 9)\n"

    rc, _, _ = run(agent, script)
    gone(agent.folder)

    assert rc == -signal.SIGKILL
    measured = read_measurement(agent.out)
    assert (measured.ended, measured.return_code) == (False, None)
    assert measured.profile.total > 0


def test_a_forked_child_that_outlives_the_killed_process_keeps_no_agent(agent) -> None:
    script = (
        "with measuring(OUT, interval_s=0.1):\n"
        "    await_('t0')\n"
        "    if not os.fork():\n"
        "        print(os.getpid(), flush=True)\n"
        "        os.close(1), os.close(2)\n"
        "        time.sleep(60)\n"
        "    time.sleep(0.2)\n"
        "    os.kill(os.getpid(), 9)\n"
    )

    _, said, _ = run(agent, script)
    try:
        gone(agent.folder)
        os.kill(int(said), 0)
    finally:
        os.kill(int(said), signal.SIGKILL)


def test_a_child_that_leaves_the_block_does_not_end_the_measurement(agent) -> None:
    script = (
        "with measuring(OUT, interval_s=0.1):\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        os.waitpid(child, 0)\n"
        "        burn(0.2)\n"
        "if child:\n"
        "    print('parent')\n"
    )

    rc, said, _ = run(agent, script)

    assert (rc, said) == (0, "parent")
    assert len(agent.lines("end")) == 1
    assert read_measurement(agent.out).profile.total >= 0.15 * WATTS_PER_BUSY_VCPU


def test_the_group_s_signal_ends_the_process_and_the_agent_writes_the_last_line(agent) -> None:
    script = (
        "import signal\n"
        "os.setpgid(0, 0)\n"
        "def stop(*_):\n"
        "    raise SystemExit(3)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "with measuring(OUT, interval_s=0.1):\n"
        "    await_('t0')\n"
        "    os.killpg(0, signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )

    rc, _, _ = run(agent, script)

    assert rc == 3
    assert agent.lines("end")[0]["rc"] == 1


@pytest.mark.parametrize("out", ["/dev/full", "/proc/none/energy.jsonl"])
def test_a_log_that_can_t_be_written_is_said_and_stops_nothing(agent, out) -> None:
    rc, said, stderr = run(agent, f"with measuring({out!r}):\n    pass\nprint('goes on')")

    assert (rc, said) == (0, "goes on")
    assert "written" in stderr


def test_an_agent_that_can_t_start_stops_nothing(agent) -> None:
    script = "sys.executable = '/nowhere/python'\nwith measuring(OUT):\n    print('goes on')\n"

    rc, said, stderr = run(agent, script)

    assert (rc, said) == (0, "goes on")
    assert "not recorded" in stderr


def test_modules_in_the_working_directory_are_not_the_agent_s(agent) -> None:
    script = (
        "open('argparse.py', 'w').write('raise SystemExit')\n"
        "with measuring(OUT, interval_s=0.1):\n"
        "    pass\n"
    )

    rc, _, stderr = run(agent, script)

    assert (rc, stderr) == (0, "")
    assert agent.lines("end")


def test_the_log_of_a_block_is_read_as_that_of_a_command(tmp_path) -> None:
    with measuring(tmp_path / "energy.jsonl", interval_s=0.1) as meter:
        pass

    lines = [json.loads(line) for line in meter.path.read_text().splitlines()]
    assert [line["type"] for line in lines][:: len(lines) - 1] == ["segment", "end"]
    assert read_measurement(meter.path).return_code == 0
