"""Choose where in the European Union to run, by emissions and cost together, and when.

The data must not leave the EU, so no other region is asked, however clean; and one is denied. Of
two sizes of machine the larger is dearer and faster. A tonne of CO2eq is given a price, and the
lowest sum of cost and priced emissions wins; the XCom has each term apart, the runner-up, and for
every region that was left out the reason.

It needs no account: the prices stand here. With `sizes=` they are looked up in Azure, and regions
without quota are left out (the how-to on Azure's regions). What runs there is for the last task.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, task

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator

OBJECTIVE = {
    "carbon_price_per_t": 80,
    "machines": [
        {"name": "one_a100", "power_kw": 0.4, "price_per_h": 3.7},
        {"name": "one_h100", "power_kw": 0.7, "price_per_h": 7.0, "speed": 1.9},
    ],
}

with DAG(
    "region_choice",
    schedule="0 18 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["carbon"],
    doc_md=__doc__,
):
    choose = ChooseRegionOperator(
        task_id="choose",
        regions="all",
        residency="EU",
        deny="germanynorth",
        objective=OBJECTIVE,
        duration="4h",
        max_delay="12h",
    )
    wait = CarbonAwareSensor(
        task_id="wait",
        region=choose.output["region"],
        duration=choose.output["duration"],
        max_delay="12h",
    )

    @task
    def launch(choice: dict[str, Any]) -> str:
        """Return where it runs; your launch goes here, or an AzureTrainingOperator in its place."""
        log = logging.getLogger(__name__)
        log.info("on %s in %s: %s", choice["machine"], choice["region"], choice["terms"])
        log.info("next best: %s", choice["runner_up"])
        log.info("%d regions were not asked or can't be had", len(choice["left_out"]))
        return f"{choice['machine']} in {choice['region']}"

    wait >> launch(choose.output)
