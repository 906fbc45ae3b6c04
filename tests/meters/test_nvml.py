"""Which GPUs are the command's, and what a driver's silence means."""

from __future__ import annotations

import threading

import pytest

from airflow_carbon.meters.nvml import Patient, select

CARDS = ["GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, CARDS),
        ("0,2", [CARDS[0], CARDS[2]]),
        (" 2 , 0 ", [CARDS[2], CARDS[0]]),
        ("GPU-b", [CARDS[2]]),
        ("GPU-aaaa2222,0", [CARDS[1], CARDS[0]]),
        ("1,1", [CARDS[1]]),
        ("GPU-aaaa", []),
        ("1,GPU-cccc,2", [CARDS[1]]),
        ("0,-1,1", [CARDS[0]]),
        ("3", []),
        ("all", []),
        ("MIG-x,0", ["MIG-x", CARDS[0]]),
    ],
)
def test_visible_devices_are_chosen_as_cuda_does(visible, chosen) -> None:
    assert select(visible, CARDS)[0] == chosen


@pytest.mark.parametrize("visible", ["0,GPU-cccc", "9", "MIG-x"])
def test_what_is_not_counted_is_said(visible) -> None:
    assert select(visible, CARDS)[1]


def test_an_answer_that_comes_late_answers_the_next_question() -> None:
    answers, go = iter("ab"), threading.Event()

    def slow() -> str:
        go.wait()
        return next(answers)

    patient = Patient(slow)

    assert patient.ask(0.01) is None
    assert patient.ask(0.01) is None
    go.set()
    assert patient.ask(60) == "a"
    assert patient.ask(60) == "b"


def test_a_function_that_fails_has_no_answer() -> None:
    patient = Patient(lambda: 1 / 0)

    assert patient.ask(60) is None
    assert patient.ask(60) is None
