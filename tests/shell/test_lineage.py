"""The facet of a footprint, as Airflow's OpenLineage provider takes it and its client sends it."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from measured import segment_of

from airflow_carbon import EmissionsOperator, clock
from airflow_carbon.operators.lineage import FACET


@pytest.fixture
def operator(tmp_path, monkeypatch):
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(connection))
    monkeypatch.delenv("AIRFLOW_CONN_CARBON_DEFAULT", raising=False)
    begin = clock.now() - timedelta(minutes=10)
    log = tmp_path / "energy.jsonl"
    log.write_bytes(segment_of("5f0c9a1e", begin.timestamp(), 20, attempt=2))
    made = EmissionsOperator(
        task_id="account", measurement=str(log), region="francecentral", model="churn"
    )
    made.submitted = begin.isoformat()
    return made


@pytest.fixture
def run(operator):
    ti = SimpleNamespace(dag_id="d", task_id="account", run_id="r", map_index=-1, try_number=1)
    return lambda: operator.execute({"ti": ti, "outlet_events": None})


def test_before_it_has_run_there_is_nothing_to_say(operator):
    assert operator.get_openlineage_facets_on_complete(None) is None


def test_the_event_that_is_sent_carries_the_footprint(operator, run):
    pytest.importorskip("airflow.providers.openlineage", reason="the extra is not installed")
    pytest.importorskip("openlineage.client", reason="the extra is not installed")
    from airflow.providers.openlineage.extractors.base import DefaultExtractor  # noqa: PLC0415
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState  # noqa: PLC0415
    from openlineage.client.serde import Serde  # noqa: PLC0415

    xcom = run()
    lineage = DefaultExtractor(operator).extract_on_complete(SimpleNamespace())
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=clock.now().isoformat(),
        run=Run(runId="0197a9c0-0000-7000-8000-000000000000", facets=lineage.run_facets),
        job=Job(namespace="default", name="nightly.account"),
        producer="https://example.org",
    )
    facet = json.loads(Serde.to_json(event))["run"]["facets"][FACET]

    assert facet["_producer"].startswith("pkg:pypi/airflow-carbon@")
    assert facet["_schemaURL"].endswith("OpenLineage.json#/$defs/RunFacet")
    assert facet["model"] == "churn"
    for name in ("region", "energy_kwh", "emissions_g", "intensity_quality", "delta_g"):
        assert facet[name] == xcom[name], name
    assert facet["measured_run"] == {
        "dag_id": "nightly",
        "task_id": "train",
        "run_id": "manual__1",
        "map_index": -1,
        "try_number": 2,
    }
    assert "functional_unit" not in facet
    assert lineage.inputs == lineage.outputs == []
