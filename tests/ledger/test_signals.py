"""What stands beside an account is apart from it, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.budgets import Budgets, Scope
from airflow_carbon.ledger.signals import Beside, Signals

MARGINAL = {
    "intensity_signal": "marginal",
    "intensity_factor_type": "lifecycle",
    "pue": 1.1,
    "emissions_g": 500.0,
    "emissions_low_g": 400.0,
    "emissions_high_g": 600.0,
    "intensity_mean_g_per_kwh": None,
    "intensity_source": "watttime",
    "intensity_quality": "actual",
    "baseline_g": None,
    "delta_g": None,
    "delta_percent": None,
    "baseline_method": "none",
}


@pytest.fixture
def marginal(an_entry):
    return Beside(**MARGINAL, computed_at=an_entry().computed_at)


def test_the_newest_of_each_kind_is_read_and_no_sum_has_it(ledger, an_entry, marginal):
    ledger.write(an_entry(emissions_g=100.0))
    signals, key = Signals(ledger), an_entry().key
    direct = replace(marginal, intensity_signal="average", intensity_factor_type="direct")
    later = replace(marginal, emissions_g=450.0)

    assert [signals.write(key, one) for one in (marginal, direct, later)] == [1, 1, 2]
    assert signals.of(key) == [direct, later]
    spent = Budgets(ledger).spent(Scope(dag_id="train"))
    assert (spent.emitted.g, spent.kinds) == (100, ("average lifecycle",))


def test_it_stays_when_the_account_is_revised_and_goes_when_it_is_deleted(
    ledger, an_entry, marginal
):
    signals, key = Signals(ledger), an_entry().key
    ledger.write(an_entry())
    signals.write(key, marginal)
    ledger.write(an_entry(emissions_g=2.0))
    assert signals.of(key) == [marginal]
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM carbon_run")

    assert signals.of(key) == []


def test_beside_no_account_there_is_nothing(ledger, an_entry, marginal):
    with pytest.raises(LedgerError):
        Signals(ledger).write(an_entry().key, marginal)
