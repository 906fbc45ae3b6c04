"""Problems for hypothesis: series, jobs, energy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.core.region import Region
from airflow_carbon.core.units import ZoneKey

T0 = datetime(2026, 3, 28, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STEPS = (5, 15, 30, 60)


def series_of(values, step_minutes=60, begins=T0, zone="DE") -> IntensitySeries:
    return IntensitySeries(
        zone=ZoneKey(zone),
        begins=begins,
        step=step_minutes * MINUTE,
        g_per_kwh=np.asarray(values, dtype=float),
    )


def forecast_of(values, step_minutes=60, begins=T0, source="replay:day.csv") -> Forecast:
    return Forecast(series=series_of(values, step_minutes, begins), issued_at=begins, source=source)


def region_of(name, zone="DE", pue=None) -> Region:
    return Region(
        name=name,
        zone=zone,
        geography="Germany",
        geography_group="Europe",
        country="DE",
        latitude=50.0,
        longitude=8.0,
        pue=pue,
    )


grams = st.floats(min_value=0, max_value=1500, allow_nan=False, width=32)
plateaus = st.sampled_from([0.0, 20.0, 100.0, 100.0, 250.0, 700.0])


@st.composite
def all_series(draw) -> IntensitySeries:
    values = draw(st.lists(st.one_of(grams, plateaus), min_size=2, max_size=60))
    return series_of(values, draw(st.sampled_from(STEPS)))


@st.composite
def problems(draw) -> tuple[IntensitySeries, Flexibility]:
    """A series, and a job on whole minutes that fits inside it, anywhere within a step."""
    series = draw(all_series())
    minutes = (series.ends - series.begins) // MINUTE
    length = draw(st.integers(1, minutes))
    earliest = draw(st.integers(0, minutes - length))
    latest = draw(st.integers(earliest, minutes - length))
    return series, Flexibility(
        duration=length * MINUTE,
        earliest=series.begins + earliest * MINUTE,
        deadline=series.begins + (latest + length) * MINUTE,
    )


@st.composite
def hard_problems(draw) -> tuple[IntensitySeries, Flexibility]:
    """A problem whose job has phases of unlike power, blackouts, both or neither."""
    series, flex = draw(problems())
    minutes = flex.duration // MINUTE
    phases, blackouts = [], []
    if minutes > 1 and draw(st.booleans()):
        cut = draw(st.integers(1, minutes - 1))
        powers = draw(st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.3, 1.0), (2.0, 1.0)]))
        lengths = (cut * MINUTE, flex.duration - cut * MINUTE)
        phases = [Phase(duration=n, power=p) for n, p in zip(lengths, powers, strict=True)]
    span = (flex.deadline - flex.earliest) // MINUTE
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(-30, span))
        length = draw(st.integers(1, 200))
        at = flex.earliest + begin * MINUTE
        blackouts.append((at, at + length * MINUTE))
    return series, replace(flex, phases=tuple(phases), blackouts=tuple(blackouts))


@st.composite
def profiles(draw, within: IntensitySeries) -> EnergyProfile:
    """Energy in whole-second intervals inside a series, some of it missing."""
    span = int((within.ends - within.begins).total_seconds())
    zero = within.begins.timestamp()
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        begin = draw(st.integers(0, span - 1))
        end = draw(st.integers(begin + 1, span))
        missing = draw(st.booleans())
        joules = float("nan") if missing else draw(st.floats(0, 1e7, allow_nan=False))
        quality = EnergyQuality.MISSING if missing else EnergyQuality.COUNTER
        rows.append((zero + begin, zero + end, joules, "gpu", quality))
    return EnergyProfile.from_rows(rows)
