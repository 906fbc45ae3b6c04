"""What a running or a paused job is told to do, as people read it and as XCom carries it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.plan import Place, clock_text

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.region import Region
    from airflow_carbon.core.window import Window


class Because(StrEnum):
    """Why a job goes on, pauses or moves; an outage never looks like a choice."""

    NO_DRIFT = "no_drift"
    """Reality keeps to the forecast."""
    NO_DATA = "no_data"
    """No source has anything to say of the hours to come."""
    DEADLINE = "deadline"
    """No time is left to give."""
    MAY_NOT_STOP = "may_not_stop"
    """Its stops are used up, or a slice would be shorter than the shortest."""
    NOT_WORTH_IT = "not_worth_it"
    """Nothing else saves enough, what stopping costs included."""
    NEXT_WINDOW = "next_window"
    """Its cleanest window lies ahead; of a resume: it begins."""
    CLEANER_REGION = "cleaner_region"
    """It emits least elsewhere."""
    BLACKOUT = "blackout"
    """It is paused in hours in which it does not run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Continue:
    """Go on.

    ``going_on_g_per_kw`` is what the rest of the work is expected to emit [gCO2eq per kW of
    its mean power, PUE included]; None where no forecast covers it.
    """

    because: Because
    place: Place
    going_on_g_per_kw: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom."""
        return _common("continue", self)

    def sentence(self) -> str:
        """Say that it goes on, and why."""
        return f"{self.place}: goes on, {_WHY_ON[self.because]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Stop, or stay paused, and ask again at ``until`` at the latest.

    ``window`` is where the rest then runs in one piece, the time of the resume included; None
    where nothing is known. ``going_on_g_per_kw`` and ``expects_g_per_kw`` are what the rest
    emits if it goes on now, and so [gCO2eq per kW of its mean power; PUE and, in the latter, the
    stop included].
    """

    because: Because
    place: Place
    until: datetime
    window: Window | None = None
    going_on_g_per_kw: float | None = None
    expects_g_per_kw: float | None = None

    @property
    def saves_g_per_kw(self) -> float | None:
        """What it saves against going on now [gCO2eq per kW]; None where that is not known."""
        return _difference(self.going_on_g_per_kw, self.expects_g_per_kw)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom: strings in ISO 8601 (UTC) and numbers."""
        return {
            **_common("pause", self),
            "until": self.until.isoformat(),
            "window": _plain(self.window),
            "expects_g_per_kw": _rounded(self.expects_g_per_kw),
            "saves_g_per_kw": _rounded(self.saves_g_per_kw),
        }

    def sentence(self) -> str:
        """Say until when it pauses, for what, and what that saves."""
        text = f"{self.place}: pauses to {clock_text(self.until)}"
        if self.because is Because.BLACKOUT:
            return f"{text}, when it may run again"
        if self.window is not None:
            text += f" for {_said(self.window)}"
        return text + _less(self.going_on_g_per_kw, self.expects_g_per_kw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """Stop here, and go on in another region in ``window``, which may begin now.

    The window has the time of the resume in it. Grams as in :class:`Pause`, with the PUE of
    either region.
    """

    because: Because
    place: Place
    region: Region
    window: Window
    going_on_g_per_kw: float
    expects_g_per_kw: float

    @property
    def to(self) -> Place:
        """Where it goes on."""
        return Place(zone=self.region.zone, region=self.region.name)

    @property
    def saves_g_per_kw(self) -> float:
        """What it saves against going on now, here [gCO2eq per kW]."""
        return self.going_on_g_per_kw - self.expects_g_per_kw

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom: strings in ISO 8601 (UTC) and numbers."""
        return {
            **_common("move", self),
            "to_zone": self.to.zone,
            "to_region": self.to.region,
            "window": _plain(self.window),
            "expects_g_per_kw": _rounded(self.expects_g_per_kw),
            "saves_g_per_kw": _rounded(self.saves_g_per_kw),
        }

    def sentence(self) -> str:
        """Say where it moves, when it goes on there, and what that saves."""
        text = f"{self.place}: moves to {self.to} and goes on {clock_text(self.window.start)}"
        text += f" for {_said(self.window)}"
        return text + _less(self.going_on_g_per_kw, self.expects_g_per_kw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """Go on again; ``window`` is None where no forecast covers the rest."""

    because: Because
    place: Place
    window: Window | None = None
    going_on_g_per_kw: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom: strings in ISO 8601 (UTC) and numbers."""
        return {**_common("resume", self), "window": _plain(self.window)}

    def sentence(self) -> str:
        """Say that it goes on again, why, and at what intensity."""
        text = f"{self.place}: goes on again, {_WHY_AGAIN[self.because]}"
        return text if self.window is None else f"{text}; expects {_said(self.window)}"


_WHY_ON = {
    Because.NO_DRIFT: "as reality keeps to the forecast",
    Because.NO_DATA: "because no source can say when or where it would be cleaner",
    Because.DEADLINE: "since no time is left before the deadline",
    Because.MAY_NOT_STOP: "since it may not stop now: too often, or too short a slice",
    Because.NOT_WORTH_IT: "since neither a pause nor a move would save enough",
}

_WHY_AGAIN = {
    Because.NO_DATA: "because no source can say when it would be cleaner",
    Because.DEADLINE: "its latest start has come",
    Because.NEXT_WINDOW: "its window begins",
}


def _common(answer: str, one: Continue | Pause | Move | Resume) -> dict[str, Any]:
    return {
        "answer": answer,
        "because": one.because.value,
        "zone": one.place.zone,
        "region": one.place.region,
        "going_on_g_per_kw": _rounded(one.going_on_g_per_kw),
    }


def _plain(window: Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "mean_g_per_kwh": _rounded(window.mean_g_per_kwh),
    }


def _said(window: Window) -> str:
    return f"{window.mean_g_per_kwh:.0f} g/kWh to {clock_text(window.end)}"


def _less(going_on: float | None, expects: float | None) -> str:
    if not going_on or expects is None:
        return ""
    share = 100 * (1 - expects / going_on)
    word = "less" if share >= 0 else "more"
    return f", {abs(share):.0f} % {word} than going on now, the stop included"


def _difference(going_on: float | None, expects: float | None) -> float | None:
    return None if going_on is None or expects is None else going_on - expects


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
