"""Questions to what may never answer, asked in threads of their own."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

K = TypeVar("K")
T = TypeVar("T")


class Patient(Generic[T]):
    """Has a function called in a thread of its own, and waits for its answer only so long.

    A driver may hang for ever when a card falls off the bus. An answer that comes late is
    the answer to the next question; no second call is made meanwhile.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._questions: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._waiting = False
        threading.Thread(target=self._serve, daemon=True).start()

    def ask(self, patience_s: float) -> T | None:
        """Return the answer, or None when there is none yet or the function failed."""
        self.question()
        return self.answer(patience_s)

    def question(self) -> None:
        """Have the function called, if it is not still busy with an earlier call."""
        if not self._waiting:
            self._questions.put(None)
            self._waiting = True

    def answer(self, patience_s: float) -> T | None:
        """Return the answer to the question, or None when there is none yet or it failed."""
        try:
            answer = self._answers.get(timeout=max(0.0, patience_s))
        except queue.Empty:
            return None
        self._waiting = False
        return answer

    def _serve(self) -> None:
        while True:
            self._questions.get()
            try:
                answer: T | None = self._function()
            except Exception:  # noqa: BLE001 - whatever a driver does, the command goes on
                answer = None
            self._answers.put(answer)


def ask_all(patients: Mapping[K, Patient[T]], patience_s: float) -> dict[K, T | None]:
    """Ask all at once, and return the answers that come in time: one that hangs costs only its own.

    >>> ask_all({"fine": Patient(lambda: 1), "broken": Patient(lambda: 1 / 0)}, 60)
    {'fine': 1, 'broken': None}
    """
    for patient in patients.values():
        patient.question()
    end = time.monotonic() + patience_s
    return {key: patient.answer(end - time.monotonic()) for key, patient in patients.items()}
