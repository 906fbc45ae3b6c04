"""A driver that misbehaves, cards that are divided, and agents that share them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from hanging import HANGS_S

from airflow_carbon.meters.reading import read_measurement

GPU0, GPU1 = (f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(2))
MIG0, MIG1 = (f"MIG-00000000-000{part}-4000-8000-000000000000" for part in range(2))
UNTIL = "until {}; do sleep 0.02; done; "
SEEN = UNTIL.format('grep -q t0 "$OUT"')
MISSING_SEEN = UNTIL.format('grep -q missing "$OUT"')
BACK_SEEN = UNTIL.format('grep -q since "$OUT"')


# The fake itself


def test_the_fake_s_counter_is_the_integral_of_a_power_profile_in_steps(nv, tmp_path) -> None:
    """With its gain and its reset, and the same in each process."""
    since = time.monotonic() - 30
    profile = f"since {since}\npublish_ms 100\nprofile 0:100000,10:500000\n"
    state = tmp_path / "state"
    state.write_text(profile)
    nv.nvmlInit()
    handle = nv.nvmlDeviceGetHandleByIndex(0)

    def shown() -> float:
        return nv.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000

    def integral(at: float) -> float:
        return 10 * 100 + (at - since - 10) * 500

    earliest, joules, latest = time.monotonic() - 0.1, shown(), time.monotonic()
    assert integral(earliest) - 1 <= joules <= integral(latest)
    assert (joules - 1000) % 50 == pytest.approx(0, abs=0.001)
    assert nv.nvmlDeviceGetPowerUsage(handle) == 500_000

    state.write_text(profile + "gain 1.05\n")
    assert shown() == pytest.approx(1.05 * joules, rel=0.1)
    assert nv.nvmlDeviceGetPowerUsage(handle) == 525_000

    state.write_text(profile + f"reset_at {since + 29}\n")
    assert 450 <= shown() < joules
    nv.nvmlShutdown()


# NVML goes away


def test_a_daemon_reload_is_a_gap_that_the_counter_bridges(gpus) -> None:
    """What was opened before is void, and NVML is opened again."""
    gpus.state("energy_mj 1000")
    gpus.state("rc_all 999", "away")
    gpus.state("energy_mj 91000; load 1", "back")

    rc, stderr = gpus.run(SEEN + "mv away state; " + MISSING_SEEN + "mv back state; " + BACK_SEEN)

    assert rc == 0
    assert stderr.count("\n") == 1
    assert gpus.joules(GPU0) == 90.0
    assert read_measurement(gpus.out).profile.coverage == 1.0


def test_a_driver_that_was_loaded_anew_counts_anew(gpus) -> None:
    """Its counter may have passed where it stood; the energy in between stays unknown."""
    gpus.state("energy_mj 1000")
    gpus.state("rc_all 9", "away")
    gpus.state("energy_mj 5000; load 1", "back")
    gpus.state("energy_mj 7500; load 1", "later")
    counting = UNTIL.format('grep -q 5000 "$OUT"')
    asked_often = 'n=$(wc -l < "$OUT"); ' + UNTIL.format('[ "$(wc -l < "$OUT")" -ge $((n + 15)) ]')
    absent = "mv away state; " + MISSING_SEEN + asked_often

    gpus.run(SEEN + absent + "mv back state; " + counting + "mv later state")

    assert gpus.joules(GPU0) == 2.5
    assert read_measurement(gpus.out).profile.coverage < 1


def test_a_driver_that_is_away_when_the_agent_begins_is_looked_for_again(gpus) -> None:
    """What was drawn before is missing; from then on each card counts, in a segment of its own."""
    gpus.state("rc_all 999")
    gpus.state("energy_mj 1000", "back")
    gpus.state("energy_mj 91000", "later")
    found = UNTIL.format(f'grep -q \'"t0".*{GPU0}\' "$OUT"')

    rc, stderr = gpus.run(MISSING_SEEN + "mv back state; " + found + "mv later state")

    assert (rc, stderr.count("\n")) == (0, 1)
    assert "NVML says" in stderr
    profile = read_measurement(gpus.out).profile
    assert profile.joules_of(lambda device: device == GPU0) == 90.0
    assert 0 < profile.coverage < 1
    first, second = gpus.lines("segment")
    ends = [line["t1"] for line in gpus.lines("interval") if line["seg"] == first["seg"]]
    assert second["t"] == ends[-1]
    host = profile.without_gaps().ends.max() - profile.begins.min()
    assert host == pytest.approx(profile.ends.max() - profile.begins.min())


def test_a_card_that_hangs_costs_the_others_nothing(gpus) -> None:
    gpus.state("count 2; energy_mj 1000")
    gpus.state("count 2; energy_mj 1000; gpu0.hang_ms 600000", "hung")
    gpus.state("count 2; energy_mj 9000; gpu0.hang_ms 600000", "later")

    gpus.run(SEEN + "mv hung state; " + MISSING_SEEN + "mv later state")

    assert gpus.joules(GPU1) == 8.0
    assert gpus.qualities(GPU1) == {"counter"}


# Cards that are divided


def test_a_mig_device_is_charged_its_share_of_the_card_and_says_that_it_is_a_model(gpus) -> None:
    gpus.state("slices 3,2; energy_mj 7000")
    gpus.state("slices 3,2; energy_mj 77000", "later")

    rc, stderr = gpus.run(SEEN + "mv later state", CUDA_VISIBLE_DEVICES=MIG0)

    assert (rc, stderr) == (0, "")
    assert gpus.devices() == [MIG0, "cpu", "memory"]
    assert gpus.joules(MIG0) == 30.0
    assert gpus.qualities(MIG0) == {"model"}


def test_without_a_list_all_mig_devices_that_can_be_seen_are_the_command_s(gpus) -> None:
    gpus.state("slices 3,2; energy_mj 7000")
    gpus.state("slices 3,2; energy_mj 77000", "later")

    gpus.run(SEEN + "mv later state")

    assert (gpus.joules(MIG0), gpus.joules(MIG1)) == (30.0, 20.0)


def test_a_mig_device_whose_share_is_not_known_is_missing(gpus) -> None:
    gpus.state("slices 3; rc_attributes 3")

    _, stderr = gpus.run("true")

    assert gpus.qualities(MIG0) == {"missing"}
    assert "MIG" in stderr


# Agents that share a card


def test_two_agents_on_one_card_count_its_energy_once_and_their_own_processors(gpus) -> None:
    gpus.state(f"since {time.monotonic()}; power_mw 300000")
    both_seen = UNTIL.format('[ "$(grep -c segment "$OUT")" -ge 2 ]')
    busy = both_seen + "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep {}"

    with gpus.start(busy.format(0.9)) as first, gpus.start(busy.format(0.5)) as second:
        assert (first.wait(HANGS_S), second.wait(HANGS_S)) == (0, 0)

    profile = read_measurement(gpus.out).profile
    gpu = profile.joules_of(lambda device: device == GPU0)
    shown = [line["raw_mj"][GPU0] for line in (*gpus.lines("segment"), *gpus.lines("interval"))]
    assert round(gpu * 1000) == max(shown) - min(shown)
    assert gpus.joules(GPU0) > gpu + 0.4 * 300
    cpu = profile.joules_of(lambda device: device.startswith("cpu"))
    assert cpu == pytest.approx(gpus.joules("cpu"))


# A second opinion

CODECARBON = """
import json, sys
from codecarbon import OfflineEmissionsTracker

tracker = OfflineEmissionsTracker(
    country_iso_code="NLD", measure_power_secs=1, save_to_file=False, log_level="error",
    allow_multiple_runs=True,
)
tracker.start()
print("started", flush=True)
sys.stdin.readline()
tracker.stop()
print(json.dumps(tracker.final_emissions_data.gpu_energy * 3.6e6))
"""


def test_codecarbon_is_of_the_same_opinion(gpus) -> None:
    """Another program reads the same cards, also with an error of 5 % in their sensors."""
    pytest.importorskip("codecarbon", reason="codecarbon is missing: no second opinion")
    smi = gpus.folder / "nvidia-smi"  # codecarbon asks whether it runs
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    publishes = f"since {time.monotonic()}; publish_ms 100; gain 1.05"
    gpus.state(f"count 2; {publishes}; power_mw 300000; gpu1.power_mw 600000")
    path = f"{gpus.folder}:{os.environ['PATH']}"

    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", CODECARBON],
        env=gpus.variables(PATH=path, HOME=str(gpus.folder)),
        cwd=gpus.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "started\n"
        started = time.monotonic()
        gpus.run("sleep 3")
        stopped = time.monotonic()
        found, _ = other.communicate("\n", timeout=HANGS_S)
    ended = time.monotonic()

    joules = json.loads(found.splitlines()[-1])
    profile = read_measurement(gpus.out).profile
    ours = gpus.joules(GPU0) + gpus.joules(GPU1)
    ours_w = ours / (profile.ends.max() - profile.begins.min())
    assert ours_w == pytest.approx(945, rel=0.05)
    # When in its own start and end it reads the cards, it does not say.
    assert 0.95 * ours_w * (stopped - started - 0.2) < joules < 1.05 * ours_w * (ended - begun)
