"""The archive gives back what was put in, to every process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries, Signal
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.store import Ledger

HOUR = timedelta(hours=1)
T0 = datetime(2026, 3, 28, 22, tzinfo=UTC)


def series(hours, begins=T0, step=HOUR, level=100.0, **fields):
    count = int(hours * HOUR / step)
    values = level + np.arange(count) / 3
    return IntensitySeries(zone="SE-SE3", begins=begins, step=step, g_per_kwh=values, **fields)


def forecast(issued_at=T0, source="service", **fields):
    return Forecast(series=series(48, issued_at, **fields), issued_at=issued_at, source=source)


@pytest.fixture
def archive(ledger):
    return Archive(ledger)


def same(one, other):
    np.testing.assert_array_equal(one.g_per_kwh, other.g_per_kwh)
    return (
        replace(one, g_per_kwh=other.g_per_kwh).__dict__.items()
        >= {k: v for k, v in other.__dict__.items() if k != "g_per_kwh"}.items()
    )


def test_the_newest_issue_is_the_last_whatever_the_order_of_writing(archive):
    for hours in (0, 2, 1):
        archive.keep(forecast(T0 + hours * HOUR, signal=Signal.MARGINAL, filled=hours))

    last = archive.last("service", "SE-SE3")

    assert last.issued_at == T0 + 2 * HOUR
    assert same(last.series, forecast(T0 + 2 * HOUR, signal=Signal.MARGINAL, filled=2).series)
    assert [i.issued_at for i in archive.issues("service", "SE-SE3", since=T0 + HOUR)] == [
        T0 + HOUR,
        T0 + 2 * HOUR,
    ]


def test_sources_and_zones_are_kept_apart(archive):
    archive.keep(forecast())

    assert archive.last("another", "SE-SE3") is None
    assert archive.last("service", "DE") is None


def test_the_same_issue_again_replaces(archive):
    archive.keep(forecast())
    archive.keep(forecast(level=200.0))

    assert len(archive.issues("service", "SE-SE3", since=T0)) == 1
    assert archive.last("service", "SE-SE3").series.g_per_kwh[0] == 200.0


def test_another_process_reads_what_one_kept(archive, ledger_url):
    archive.keep(forecast())

    with Ledger.open(ledger_url) as other:
        assert same(Archive(other).last("service", "SE-SE3").series, forecast().series)


@pytest.mark.parametrize("step", [HOUR, HOUR / 12])
def test_actuals_grow_together_across_midnight(archive, step):
    whole = series(30, step=step)
    for begin, end in ((0, 5), (4, 20), (20, 30)):
        part = replace(
            whole,
            begins=T0 + begin * HOUR,
            g_per_kwh=whole.g_per_kwh[int(begin * HOUR / step) : int(end * HOUR / step)],
        )
        archive.keep_actuals("service", part)

    found = archive.actuals("service", "SE-SE3", begin=T0 - HOUR, end=T0 + 40 * HOUR)

    assert same(found, whole)
    cut = archive.actuals("service", "SE-SE3", begin=T0 + 3 * HOUR, end=T0 + 9 * HOUR)
    assert (cut.begins, cut.ends) == (T0 + 3 * HOUR, T0 + 9 * HOUR)


def test_steps_off_the_hour_are_put_on_the_grid_by_their_mean(archive):
    archive.keep_actuals("service", series(5, T0 + HOUR / 2))

    found = archive.actuals("service", "SE-SE3", begin=T0, end=T0 + 9 * HOUR)

    assert (found.begins, found.ends) == (T0 + HOUR, T0 + 5 * HOUR)
    np.testing.assert_allclose(found.g_per_kwh, 100 + (np.arange(4) + 0.5) / 3)


def test_before_a_gap_nothing_is_given(archive):
    archive.keep_actuals("service", series(3))
    archive.keep_actuals("service", series(3, T0 + 5 * HOUR))

    found = archive.actuals("service", "SE-SE3", begin=T0 - HOUR, end=T0 + 40 * HOUR)

    assert (found.begins, found.ends) == (T0 + 5 * HOUR, T0 + 8 * HOUR)


def test_actuals_by_other_factors_are_not_joined(archive):
    archive.keep_actuals("service", series(26))
    later = series(26, T0 + 26 * HOUR, factor_type=FactorType.DIRECT)
    archive.keep_actuals("service", later)

    found = archive.actuals("service", "SE-SE3", begin=T0, end=T0 + 60 * HOUR)

    assert found.factor_type is FactorType.DIRECT
    assert found.begins == T0 + 26 * HOUR


def test_nothing_known_is_none(archive):
    assert archive.actuals("service", "SE-SE3", begin=T0, end=T0 + HOUR) is None
    archive.keep_actuals("service", series(3))
    assert archive.actuals("service", "SE-SE3", begin=T0 + 4 * HOUR, end=T0 + 9 * HOUR) is None


def test_a_step_that_fits_no_day_is_refused(archive):
    with pytest.raises(InvalidSeriesError, match="whole number"):
        archive.keep_actuals("service", series(7, step=7 * HOUR))


def test_what_is_old_is_forgotten(archive):
    for day in range(5):
        archive.keep(forecast(T0 + day * 24 * HOUR))
        archive.keep_actuals("service", series(24, T0 + day * 24 * HOUR))

    assert archive.prune(T0 + 72 * HOUR) == 3 + 3

    assert len(archive.issues("service", "SE-SE3", since=T0)) == 2
