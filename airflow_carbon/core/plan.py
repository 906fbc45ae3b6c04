"""What was decided, as people read it and as XCom carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.decision import Reason, StartNow, WaitUntil
from airflow_carbon.core.estimate import STATED
from airflow_carbon.core.window import window_at

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, Survey
    from airflow_carbon.core.units import GramsPerKWh
    from airflow_carbon.core.window import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a job runs: a grid zone, and the cloud region in it where there is one."""

    zone: str
    region: str | None = None

    def __str__(self) -> str:
        return f"{self.region} ({self.zone})" if self.region else self.zone


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The outcome of a wait.

    ``at_once_g_per_kwh`` is the intensity had the job run when it first could; None where
    no source can say. Intensities are means over the job's length [gCO2eq/kWh]. ``would_wait_for``
    is the window that a dry run did not wait for, ``duration_from`` who told the duration,
    ``limit_g_per_kwh`` what was good enough, None where nothing limits it, or nobody knows.
    """

    place: Place
    flex: Flexibility
    start: datetime
    mean_g_per_kwh: GramsPerKWh | None
    at_once_g_per_kwh: GramsPerKWh | None
    forecast: Forecast | None
    reason: Reason
    would_wait_for: Window | None = None
    duration_from: str = STATED
    limit_g_per_kwh: float | None = None

    @classmethod
    def of(  # noqa: PLR0913 - the facts of one decision
        cls,
        answer: StartNow | WaitUntil,
        *,
        place: Place,
        flex: Flexibility,
        now: datetime,
        forecast: Forecast | None,
        at_once_g_per_kwh: GramsPerKWh | None,
        duration_from: str = STATED,
        limit_g_per_kwh: float | None = None,
    ) -> Plan:
        """Build from the policy's answer; a wait becomes the plan of a dry run, which starts."""
        if isinstance(answer, StartNow):
            mean = answer.window.mean_g_per_kwh if answer.window else None
            because, foregone = answer.because, None
        else:
            mean = _at(forecast, flex, now)
            because, foregone = Reason.DRY_RUN, answer.window
        return cls(
            place=place,
            flex=flex,
            start=now,
            mean_g_per_kwh=mean,
            at_once_g_per_kwh=at_once_g_per_kwh,
            forecast=forecast,
            reason=because,
            would_wait_for=foregone,
            duration_from=duration_from,
            limit_g_per_kwh=limit_g_per_kwh,
        )

    @property
    def difference_percent(self) -> float | None:
        """Expected difference against running at once [%]; negative is cleaner."""
        if self.mean_g_per_kwh is None or not self.at_once_g_per_kwh:
            return None
        return 100 * (self.mean_g_per_kwh / self.at_once_g_per_kwh - 1)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom: strings in ISO 8601 (UTC) and numbers."""
        forecast = self.forecast
        return {
            "zone": self.place.zone,
            "region": self.place.region,
            "start": self.start.isoformat(),
            "end": (self.start + self.flex.duration).isoformat(),
            "duration_from": self.duration_from,
            "mean_g_per_kwh": _rounded(self.mean_g_per_kwh),
            "spread_g_per_kwh": _rounded(
                forecast.spread(self.start, self.end) if forecast else None
            ),
            "at_once_g_per_kwh": _rounded(self.at_once_g_per_kwh),
            "difference_percent": _rounded(self.difference_percent),
            "limit_g_per_kwh": _rounded(self.limit_g_per_kwh),
            "submitted_at": self.flex.earliest.isoformat(),
            "deadline": self.flex.deadline.isoformat(),
            "source": forecast.source if forecast else None,
            "issued_at": forecast.issued_at.isoformat() if forecast else None,
            "quality": forecast.quality.value if forecast else None,
            "signal": forecast.series.signal.value if forecast else None,
            "reason": self.reason.value,
            "would_wait_for": self._would_wait_for(),
        }

    def _would_wait_for(self) -> dict[str, Any] | None:
        window = self.would_wait_for
        if window is None:
            return None
        return {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "mean_g_per_kwh": _rounded(window.mean_g_per_kwh),
        }

    def sentence(self) -> str:
        """Say what was chosen, what running at once would have been, and from which forecast."""
        text = f"{self.place}: starts now, {_WHY[self.reason]}"
        if self.mean_g_per_kwh is not None:
            text += f"; expects {self.mean_g_per_kwh:.0f} g/kWh to {clock_text(self.end)}"
        if self.difference_percent is not None and self.at_once_g_per_kwh is not None:
            share = _percent(self.difference_percent)
            text += f", {share} than the {self.at_once_g_per_kwh:.0f} of running at once"
        if self.would_wait_for is not None:
            window = self.would_wait_for
            text += f"; would wait to {clock_text(window.start)} for {window.mean_g_per_kwh:.0f}"
        return f"{text}; {_origin(self.forecast)}"

    @property
    def end(self) -> datetime:
        """When the job is expected to have ended."""
        return self.start + self.flex.duration


def at_once(
    survey: Survey | None, forecast: Forecast | None, flex: Flexibility
) -> GramsPerKWh | None:
    """Return the intensity of running when the job first could [g/kWh].

    None where it is not known from the plan's own source, by the same signal and factors:
    a comparison across sources would compare methods.
    """
    begin, end = flex.earliest, flex.earliest + flex.duration
    if survey is None or forecast is None or survey.source != forecast.source:
        return None
    ours, theirs = forecast.series, survey.series
    if (ours.signal, ours.factor_type) != (theirs.signal, theirs.factor_type):
        return None
    return window_at(theirs, flex, begin).mean_g_per_kwh if theirs.covers(begin, end) else None


_WHY = {
    Reason.CLEAN: "its cleanest window begins",
    Reason.DEADLINE: "its latest start has come",
    Reason.BELOW_MIN_SAVING: "since waiting would save less than was asked for",
    Reason.TOO_RISKY: "since what waiting would save is within the forecast's error",
    Reason.NO_DATA: "because no source can say when it would be cleaner",
    Reason.REAL_TIME: "since real-time work never waits",
    Reason.OPTED_OUT: "since this run was asked not to wait",
    Reason.DRY_RUN: "since this is a dry run",
}


def wait_sentence(
    answer: WaitUntil, *, place: Place, flex: Flexibility, now: datetime, forecast: Forecast | None
) -> str:
    """Say what a wait is for, what running now would be instead, and from which forecast."""
    window = answer.window
    if answer.sought_g_per_kwh is not None:
        return (
            f"{place}: waits, as no window in sight is below {answer.sought_g_per_kwh:.0f} g/kWh; "
            f"{_origin(forecast)}; starts by {clock_text(flex.latest_start)} come what may"
        )
    if window is None:
        return f"{place}: waits to {clock_text(answer.at)}, its earliest start; {_origin(forecast)}"
    spread = forecast.spread(window.start, window.end) if forecast else None
    error = "" if spread is None else f" ± {spread:.0f}"
    promised = f"{window.mean_g_per_kwh:.0f}{error} g/kWh to {clock_text(window.end)}"
    at_once = _at(forecast, flex, now)
    text = f"{place}: waits to {clock_text(window.start)} for {promised}"
    if answer.in_doubt and at_once:
        text = (
            f"{place}: looks again at {clock_text(answer.at)}, as now is not clearly cleaner than "
            f"{clock_text(window.start)}: {at_once:.0f} against {promised}"
        )
    elif at_once:
        share = _percent(100 * (window.mean_g_per_kwh / at_once - 1))
        text += f", {share} than the {at_once:.0f} of running now"
    return f"{text}; {_origin(forecast)}; starts by {clock_text(flex.latest_start)} come what may"


def _at(forecast: Forecast | None, flex: Flexibility, now: datetime) -> GramsPerKWh | None:
    begin = max(now, flex.earliest)
    if forecast is None or not forecast.series.covers(begin, begin + flex.duration):
        return None
    return window_at(forecast.series, flex, begin).mean_g_per_kwh


def _percent(difference: float) -> str:
    return f"{abs(difference):.0f} % {'less' if difference <= 0 else 'more'}"


def _origin(forecast: Forecast | None) -> str:
    if forecast is None:
        return "no forecast"
    issued = clock_text(forecast.issued_at)
    return f"forecast of {forecast.source} ({forecast.quality}), issued {issued}"


def clock_text(at: datetime) -> str:
    """Return an instant as people read it, with seconds where there are any."""
    return f"{at:%F %H:%M:%SZ}" if at.second else f"{at:%F %H:%MZ}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
