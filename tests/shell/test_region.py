"""``ChooseRegionOperator`` on the embedded sources."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_carbon import ChooseRegionOperator, clock
from airflow_carbon.core.errors import InvalidOptionError, NoFeasibleWindowError


def choose(regions, **arguments):
    times = {"duration": "2h", "max_delay": "12h", **arguments}
    operator = ChooseRegionOperator(task_id="choose", regions=regions, **times)
    operator.submitted = clock.now().isoformat()
    return operator.execute({})


def test_the_cleanest_region_is_chosen_with_its_window():
    chosen = choose(["polandcentral", "francecentral", "westeurope"])

    assert (chosen["region"], chosen["zone"]) == ("francecentral", "FR")
    assert [one["region"] for one in chosen["ranking"]][-1] == "polandcentral"
    assert chosen["g_per_it_kwh"] == pytest.approx(
        chosen["mean_g_per_kwh"] * chosen["pue"], rel=1e-3
    )
    assert chosen["left_out"] == {}
    assert json.loads(json.dumps(chosen)) == chosen


def test_all_the_world_fits_into_a_small_xcom():
    chosen = choose("all")

    assert len(chosen["ranking"]) == 5
    assert len(json.dumps(chosen)) < 2000


def test_a_file_that_knows_some_zones_ranks_what_it_knows(monkeypatch, tmp_path):
    file = tmp_path / "two.csv"
    file.write_text("at,FR,PL\n2026-01-01T00:00Z,900,100\n2026-01-01T01:00Z,900,100\n")
    extra = {"sources": "replay", "replay_file": str(file)}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", value)

    assert choose("francecentral, polandcentral")["region"] == "polandcentral"


def test_a_mistake_in_the_connection_is_said(monkeypatch):
    value = json.dumps({"conn_type": "carbon", "extra": {"replay_file": "/nowhere.csv"}})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", value)

    with pytest.raises(InvalidOptionError, match="there is no such file"):
        choose("Europe")


def test_a_job_that_does_not_fit_is_refused():
    soon = (clock.now() + timedelta(hours=1)).isoformat()

    with pytest.raises(NoFeasibleWindowError):
        choose("Europe", deadline=soon, max_delay=None)
