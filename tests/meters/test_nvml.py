"""Which GPUs are the command's, and what a driver's silence means."""

from __future__ import annotations

import threading

import pytest

from airflow_carbon.meters.patience import Patient
from airflow_carbon.meters.visible import Card, Slice, select

CARDS = ["GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, CARDS),
        ("0,2", [CARDS[0], CARDS[2]]),
        (" 2 , 0 ", [CARDS[2], CARDS[0]]),
        ("GPU-b", [CARDS[2]]),
        ("GPU-b,GPU-aaaa1", [CARDS[2], CARDS[0]]),
        ("GPU-aaaa2222,0", [CARDS[1]]),
        ("1,GPU-b", [CARDS[1]]),
        ("1,1", []),
        ("GPU-b,GPU-bbbb", []),
        ("1card,+2cards", [CARDS[1], CARDS[2]]),
        ("0,", [CARDS[0]]),
        ("NoDevFiles", []),
        ("GPU-aaaa", []),
        ("1,GPU-cccc,2", [CARDS[1]]),
        ("0,-1,1", [CARDS[0]]),
        ("3", []),
        ("all", []),
        ("MIG-x,0", ["MIG-x"]),
    ],
)
def test_visible_devices_are_chosen_as_cuda_does(visible, chosen) -> None:
    assert select(visible, [Card(id_) for id_ in CARDS])[0] == chosen


@pytest.mark.parametrize("visible", ["0,GPU-cccc", "9", "all", "1,1"])
def test_what_is_not_counted_is_said(visible) -> None:
    assert select(visible, [Card(id_) for id_ in CARDS])[1]


@pytest.mark.parametrize("visible", [None, "", "-1", "0,-1", "0,1,2", "GPU-b"])
def test_what_is_meant_is_not_worth_a_word(visible) -> None:
    assert select(visible, [Card(id_) for id_ in CARDS])[1] == ""


DIVIDED = [
    Card("GPU-a", slices=(Slice("MIG-11", "MIG-GPU-a/1/0"), Slice("MIG-12", "MIG-GPU-a/2/0"))),
    Card("GPU-b"),
]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, ["MIG-11", "MIG-12", "GPU-b"]),
        ("0", ["MIG-11", "MIG-12"]),
        ("1", ["GPU-b"]),
        ("MIG-12", ["MIG-12"]),
        ("MIG-12,MIG-11", ["MIG-12", "MIG-11"]),
        ("MIG-1", []),
        ("MIG-GPU-a/2/0", ["MIG-12"]),
        ("MIG-99,MIG-11", []),
        ("GPU-b,MIG-11", ["GPU-b"]),
    ],
)
def test_a_divided_card_is_its_mig_devices(visible, chosen) -> None:
    assert select(visible, DIVIDED)[0] == chosen


@pytest.mark.parametrize(
    ("visible", "order", "doubtful"),
    [("1", None, True), ("1", "PCI_BUS_ID", False), ("0,1", None, False), ("GPU-b", None, False)],
)
def test_a_number_among_unlike_cards_is_doubtful(visible, order, doubtful) -> None:
    cards = [Card("GPU-a", "A100"), Card("GPU-b", "L4")]

    assert bool(select(visible, cards, order)[1]) == doubtful


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
