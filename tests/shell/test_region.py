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


@pytest.mark.parametrize(
    ("cloud", "zones"), [("Azure Government", {"US-SW-AZPS", "US-TEX-ERCO"}), ("China", {"CN"})]
)
def test_a_governments_cloud_has_regions_to_choose_from(cloud, zones):
    chosen = choose(cloud)

    assert {one["zone"] for one in chosen["ranking"]} >= zones


def test_an_objective_weighs_cost_and_carbon_and_shows_both():
    objective = {
        "carbon_price_per_t": 100,
        "machines": [
            {"name": "h100", "power_kw": 0.7, "price_per_h": {"francecentral": 5, "westeurope": 4}},
            {"name": "a100", "power_kw": 0.4, "speed": 0.5, "price_per_h": {"westeurope": 1.5}},
        ],
    }

    chosen = choose("francecentral, westeurope, polandcentral", objective=objective)

    assert (chosen["region"], chosen["machine"]) == ("westeurope", "a100")
    assert chosen["terms"]["cost"] == pytest.approx(6)
    front = [(one["region"], one["machine"]) for one in chosen["pareto"]]
    assert front == [("francecentral", "h100"), ("westeurope", "h100"), ("westeurope", "a100")]
    assert chosen["left_out"] == {"polandcentral": "its price is not known"}
    assert json.loads(json.dumps(chosen)) == chosen


@pytest.mark.parametrize(
    ("residency", "allowed"),
    [("EU", {"DE", "FR", "SE"}), ("EEA", {"DE", "FR", "SE", "NO"}), ("Germany", {"DE"})],
)
def test_data_that_must_stay_is_asked_of_no_other_region(residency, allowed):
    regions = "germanywestcentral, francecentral, swedencentral, norwayeast, uksouth, eastus"

    chosen = choose(regions, residency=residency)

    assert {one["zone"][:2] for one in chosen["ranking"]} == allowed


def test_a_residency_that_leaves_nothing_breaks_the_parse():
    with pytest.raises(InvalidOptionError, match="widen regions= or residency="):
        ChooseRegionOperator(
            task_id="c", regions="eastus", residency="EU", duration="1h", max_delay="1h"
        )


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
