"""Processors and memory: counted where the machine is the command's own, else modelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.meters.cgroup import Cgroup, own_cgroup
from airflow_carbon.meters.counting import Tally
from airflow_carbon.meters.host import open_host
from airflow_carbon.meters.modelled import WATTS_PER_GB, Memory
from airflow_carbon.meters.processes import ancestors, tree
from airflow_carbon.meters.rapl import open_zones

RANGE_UJ = 262_143_328_850


class Powercap:
    """A tree as in /sys/class/powercap, of two packages of which one shows its memory."""

    def __init__(self, folder):
        self.folder = folder
        self.zone("intel-rapl:0", "package-0", 1_000_000)
        self.zone("intel-rapl:0/intel-rapl:0:0", "core", 5)
        self.zone("intel-rapl:0/intel-rapl:0:1", "dram", 2_000_000)
        self.zone("intel-rapl:1", "package-1", 3_000_000)
        self.zone("intel-rapl:2", "psys", 9_000_000)
        self.zone("intel-rapl-mmio:0", "package-0", 1_000_000)

    def zone(self, path, name, energy_uj):
        folder = self.folder / path
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")

    def set(self, path, energy_uj):
        (self.folder / path / "energy_uj").write_text(f"{energy_uj}\n")


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path / "powercap")


def ids(zones):
    return [zone.device.id for zone in zones]


# RAPL


def test_each_package_and_its_memory_are_counted_and_nothing_twice(powercap) -> None:
    zones = open_zones(0.0, powercap.folder)

    assert ids(zones) == ["cpu:package-0", "memory:package-0", "cpu:package-1"]


@settings(max_examples=30)  # each makes files
@given(st.lists(st.integers(0, RANGE_UJ // 2), min_size=1, max_size=20))
def test_a_counter_that_goes_round_counts_on(tmp_path_factory, steps) -> None:
    """Against a count that never goes round, to the microjoule."""
    powercap = Powercap(tmp_path_factory.mktemp("rapl"))
    zone = open_zones(0.0, powercap.folder)[0]
    true_uj = 1_000_000

    for second, step in enumerate(steps, start=1):
        true_uj += step
        powercap.set("intel-rapl:0", true_uj % RANGE_UJ)
        reading = zone.read(float(second))

    assert zone.counted_uj == true_uj - 1_000_000
    assert (reading.mj, reading.quality) == (zone.counted_uj // 1000, "counter")


def test_a_counter_that_went_unread_for_too_long_is_missing_not_guessed(powercap) -> None:
    (zone, *_) = open_zones(0.0, powercap.folder)
    tally = Tally.begin(0.0, {"p": zone.read(1.0)})
    powercap.set("intel-rapl:0", 5_000_000)
    tally, unknown = tally.advance(1000.0, {"p": zone.read(1000.0)})
    powercap.set("intel-rapl:0", 7_000_000)
    _, known = tally.advance(1001.0, {"p": zone.read(1001.0)})

    assert unknown.q == {"p": "missing"}
    assert known.j == {"p": 2.0}


def test_a_counter_that_may_not_be_read_is_none(powercap, tmp_path) -> None:
    (powercap.folder / "intel-rapl:0" / "energy_uj").write_text("")

    assert "cpu:package-0" not in ids(open_zones(0.0, powercap.folder))
    assert open_zones(0.0, tmp_path / "none") == []


def test_a_counter_that_can_no_longer_be_read_is_missing(powercap) -> None:
    (zone, *_) = open_zones(0.0, powercap.folder)
    (powercap.folder / "intel-rapl:0" / "energy_uj").unlink()

    assert zone.read(1.0) is None


# Which of them


def test_where_the_machine_is_the_command_s_own_its_counters_are(powercap, tmp_path) -> None:
    unlimited = group(tmp_path, "max 100000", pids=[1])

    host = open_host(powercap.folder, unlimited)

    expected = ["cpu:package-0", "memory:package-0", "cpu:package-1"]
    assert [device.id for device in host.devices] == expected
    assert {device.method for device in host.devices} == {"counter"}
    assert set(host.read(None)) == set(expected)


def test_where_a_part_of_the_machine_was_granted_its_own_part_is_modelled(
    powercap, tmp_path
) -> None:
    limited = group(tmp_path, f"{(os.cpu_count() or 1) * 50_000} 100000", pids=[1])

    host = open_host(powercap.folder, limited)

    assert [(device.id, device.method) for device in host.devices] == [
        ("cpu", "model"),
        ("memory", "model"),
    ]


def test_where_memory_has_no_counter_it_is_modelled_beside_the_packages(powercap, tmp_path) -> None:
    (powercap.folder / "intel-rapl:0/intel-rapl:0:1/energy_uj").unlink()

    host = open_host(powercap.folder, group(tmp_path, "max 100000", pids=[1]))

    assert [device.id for device in host.devices] == ["cpu:package-0", "cpu:package-1", "memory"]


# The control group


def group(folder, cpu_max, pids, usage_usec=5_000_000):
    """A control group within another, as in /sys/fs/cgroup."""
    root = folder / "cgroup"
    own = root / "job" / "task"
    (own / "deeper").mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text("cpu memory\n")
    (root / "job" / "cpu.max").write_text(f"{cpu_max}\n")
    (own / "cpu.max").write_text("max 100000\n")
    (own / "cpu.stat").write_text(f"usage_usec {usage_usec}\nuser_usec 1\n")
    (own / "memory.current").write_text("3000\n")
    (own / "memory.stat").write_text("anon 1\ninactive_file 1000\n")
    (own / "cgroup.procs").write_text("")
    (own / "deeper" / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    return Cgroup(own, root)


def test_a_group_tells_what_it_used_and_was_granted_also_further_up(tmp_path) -> None:
    own = group(tmp_path, "250000 100000", pids=[])

    assert own.busy_s() == 5.0
    assert own.memory() == 2_000
    assert own.cpus_granted() == 2.5
    assert group(tmp_path, "max 100000", pids=[]).cpus_granted() is None


def test_a_group_is_the_command_s_when_nobody_else_is_in_it(tmp_path) -> None:
    me, above = os.getpid(), ancestors(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert os.getppid() in above
        assert group(tmp_path, "max 100000", [me, *above]).belongs_to(me)
        assert not group(tmp_path, "max 100000", [me, other.pid]).belongs_to(me)
        assert not group(tmp_path, "max 100000", []).belongs_to(me)
        other.communicate(b"\n")


def test_the_machine_s_own_group_is_nobody_s(tmp_path) -> None:
    own = group(tmp_path, "max 100000", [os.getpid()])
    (own.folder / "memory.current").unlink()

    assert not own.belongs_to(os.getpid())


def test_a_command_s_own_group_is_what_is_charged(tmp_path) -> None:
    own = group(tmp_path, "max 100000", [os.getpid()])
    host = open_host(tmp_path / "no-rapl", own)
    begins = host.read(None)
    group(tmp_path, "max 100000", [os.getpid()], usage_usec=15_000_000)

    assert host.read(os.getpid())["cpu"].mj - begins["cpu"].mj == 10 * 3760


@pytest.mark.parametrize(
    ("text", "folder"),
    [("0::/job/task\n", "job/task"), ("1:cpu:/x\n0::/\n", ""), ("0::/elsewhere\n", "")],
)
def test_this_process_s_group_is_found(tmp_path, text, folder) -> None:
    root = group(tmp_path, "max 100000", []).root
    (tmp_path / "own").write_text(text)

    assert own_cgroup(tmp_path / "own", root).folder == root / folder


def test_where_there_is_no_group_there_is_none(tmp_path) -> None:
    (tmp_path / "own").write_text("4:memory:/x\n0::/\n")

    assert own_cgroup(tmp_path / "own", tmp_path) is None
    assert own_cgroup(tmp_path / "none", tmp_path) is None


# Processes and memory


def test_a_tree_s_memory_is_what_its_processes_hold() -> None:
    holds = "b = bytearray(200_000_000); print(flush=True); input()"
    before = tree(os.getpid()).memory
    with subprocess.Popen(
        ["sh", "-c", f"exec 3<&0; {sys.executable} -c '{holds}' <&3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        assert tree(process.pid).memory > 200_000_000
        assert tree(os.getpid()).memory > before + 190_000_000
        process.communicate(b"\n")


def test_memory_is_integrated_over_time() -> None:
    memory = Memory(0.0)

    memory.at(0.0, 10**9)
    assert memory.at(10.0, 10**9).mj == 10_000 * WATTS_PER_GB
    assert memory.at(20.0, 3 * 10**9).mj == 30_000 * WATTS_PER_GB
    assert memory.at(30.0, None).mj == 60_000 * WATTS_PER_GB


def test_many_processes_are_looked_at_less_often() -> None:
    """Ten times in a second, each would take milliseconds of processor time."""
    many = "for i in $(seq 60); do sleep 60 & done; echo; wait"
    with subprocess.Popen(
        ["sh", "-c", many], stdout=subprocess.PIPE, start_new_session=True
    ) as tree_of:
        tree_of.stdout.readline()
        host = open_host()
        host.read(tree_of.pid)
        before = time.thread_time()
        for _ in range(10):
            time.sleep(0.1)
            host.read(tree_of.pid)
        spent = time.thread_time() - before
        os.killpg(tree_of.pid, signal.SIGKILL)

    assert spent < 0.02
