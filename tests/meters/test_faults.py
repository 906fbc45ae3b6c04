"""Ten thousand runs in which everything fails that can: no joule negative, doubled or made up."""

from __future__ import annotations

import errno
import os
import random
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from airflow_carbon.meters.counting import Tally, counters
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import COUNTER, Device, LogFile, Segment
from airflow_carbon.meters.nvml import Driver, Gpu
from airflow_carbon.meters.reading import read_measurement

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

T0 = 1_800_000_000.0
RUNS, STEPS, FORKS = 10_000, 5, 4
IDS = tuple(f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(2))
GPUS = [Gpu(Device(id_, "gpu", "Fake GPU", COUNTER), id_) for id_ in IDS]


@dataclass
class Card:
    """What a card really counted: its counter [mJ], and how often that began anew."""

    mj: int
    resets: int = 0
    fault: str = ""


@dataclass
class Machine:
    """Two cards on the fake driver, and a disk; ``now`` is the time [ms]."""

    dice: random.Random
    file: int
    now: int = 0
    load: int = 0
    fault: str = ""
    disk_full: bool = False
    cards: list[Card] = field(default_factory=lambda: [Card(10**12), Card(10**12)])

    def clock(self) -> float:
        return self.now / 1000

    def live(self) -> None:
        """Time goes by, energy is drawn, and something may fail or be well again."""
        ms = self.dice.randint(200, 3000)
        self.now += ms
        for card in self.cards:
            card.mj += self.dice.randint(0, 700) * ms
            card.fault = self._one(card.fault, ("lost", "hang"))
            if self.dice.random() < 0.1:
                self._reset(card)
        self.fault = self._one(self.fault, ("unknown", "gone"))
        if self.fault == "gone":
            self.load += 1
            for card in self.cards:
                self._reset(card)
        self.disk_full = self.dice.random() < 0.2
        self.write()

    def _one(self, present: str, faults: tuple[str, ...]) -> str:
        if present:
            return present if self.dice.random() < 0.4 else ""
        return self.dice.choice(faults) if self.dice.random() < 0.15 else ""

    def _reset(self, card: Card) -> None:
        """Begin anew, below what was seen: a counter that has caught up again tells nobody."""
        card.resets += 1
        card.mj = 10**12 - 10**9 * card.resets

    def write(self) -> None:
        """Tell the fake driver."""
        code = {"": 0, "unknown": 999, "gone": 9}[self.fault]
        lines = ["count 2", f"load {self.load}", f"rc_all {code}"]
        for index, card in enumerate(self.cards):
            lines += [f"gpu{index}.energy_mj {card.mj}"]
            lines += [f"gpu{index}.rc_energy 15"] * (card.fault == "lost")
        os.pwrite(self.file, "\n".join(lines).ljust(400).encode(), 0)

    def put(self, file: int, line: bytes) -> int:
        """Write to the disk, which takes a part when it is full."""
        if not self.disk_full:
            return os.write(file, line)
        taken = self.dice.randint(0, len(line) - 1)
        if not taken:
            raise OSError(errno.ENOSPC, "full")
        return os.write(file, line[:taken])


@dataclass
class Seen:
    """What an agent has seen of a card, by the lines that are in its log: (ms, mJ, resets)."""

    first: int
    last: int
    marks: list[tuple[int, int, int]] = field(default_factory=list)


def readings(driver: Driver, machine: Machine):
    """Ask each card that does not hang."""
    return {
        gpu.device.id: None if card.fault == "hang" else driver.read(gpu)
        for gpu, card in zip(GPUS, machine.cards, strict=True)
    }


def live_through(machine: Machine, nv, path, seg: str) -> list[Seen]:
    """Record a segment of a run until it ends or is killed; return what its log should know."""
    nv.nvmlInit()
    driver, log = Driver(nv, machine.clock), LogFile(path, machine.put)
    answers = readings(driver, machine)
    begins, seen = machine.now, [Seen(machine.now, machine.now) for _ in GPUS]
    whole = []

    def write(line: bytes) -> bool:
        try:
            log.append(line)
        except OSError:
            return False
        whole.append(line)
        return True

    def note() -> None:
        for one, card, gpu in zip(seen, machine.cards, GPUS, strict=True):
            one.last, reading = machine.now, answers[gpu.device.id]
            if reading is not None:
                assert reading.mj == card.mj
                one.marks.append((machine.now, card.mj, card.resets))

    tally = Tally.begin(T0 + begins / 1000, answers)
    header = Segment(seg, tally.at, {}, "node", "boot", "0", 1.0, "sh", (), counters(answers))
    journal = Journal(header, tally, write)
    note()
    for _ in range(STEPS):
        machine.live()
        answers = readings(driver, machine)
        before = [line for line in whole if b"segment" not in line]
        journal.advance(T0 + machine.now / 1000, answers)
        if [line for line in whole if b"segment" not in line] != before:
            note()
        if machine.dice.random() < 0.05:
            break
    log.close()
    with suppress(nv.NVMLError):
        nv.nvmlShutdown()
    return seen


def survive(nv, folder: Path, seed: int, runs: int) -> tuple[int, int]:
    """Check so many runs; return how many knew some energy, and how many not all of it."""
    dice, known_runs, gaps = random.Random(seed), 0, 0  # noqa: S311 - no secret
    state = os.open(folder / "state", os.O_CREAT | os.O_RDWR)
    path = folder / "energy.jsonl"
    for run in range(runs):
        machine = Machine(dice, state)
        machine.write()
        path.unlink(missing_ok=True)
        segments = [live_through(machine, nv, path, "aaaaaaaa")]
        if dice.random() < 0.2:
            machine.live()
            machine.fault = ""
            machine.write()
            segments.append(live_through(machine, nv, path, "bbbbbbbb"))
        mj = covered = whole = 0
        for one in (one for segment in segments for one in segment):
            whole += one.last - one.first
            for (since, before, resets), (at, after, more) in pairwise(one.marks):
                if resets == more:
                    mj, covered = mj + after - before, covered + at - since
        if not whole:
            continue

        profile = read_measurement(path).profile

        assert round(profile.total * 1000) == mj, (seed, run)
        assert profile.coverage == pytest.approx(covered / whole, abs=1e-6), (seed, run)
        assert not (profile.joules < 0).any()
        known_runs += covered > 0
        gaps += any(map(isnan, profile.joules))
    os.close(state)
    return known_runs, gaps


def test_ten_thousand_runs_of_faults(nv, tmp_path, monkeypatch) -> None:
    """Energy and coverage are what the readings that got into the log can tell, exactly.

    A quarter of the runs in each of four forks, with a fake driver of its own.
    """
    forks = get_context("fork")
    found = forks.SimpleQueue()

    def begin(seed: int) -> BaseProcess:
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.setenv("FAKE_NVML_STATE", str(folder / "state"))
        fork = forks.Process(target=lambda: found.put(survive(nv, folder, seed, RUNS // FORKS)))
        fork.start()
        return fork

    processes = [begin(seed) for seed in range(FORKS)]
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * FORKS
    known_runs, gaps = map(sum, zip(*(found.get() for _ in processes), strict=True))
    assert known_runs > RUNS * 0.9
    assert gaps > RUNS * 0.3
