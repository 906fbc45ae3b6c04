"""The DAG of `airflow-carbon demo`: choose a region, wait there, work, account for it.

The demo copies this file into a DAG folder and runs it on a real Airflow. In a DAG of yours an
hour is an hour, and the work is your training.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, EmissionsOperator

# In the demo an hour of the grid passes in two seconds.
HOUR = timedelta(seconds=float(os.environ.get("CARBON_DEMO_HOUR_SECONDS", "3600")))
REGIONS = "westeurope, northeurope, uksouth, germanywestcentral, spaincentral"
JOB = {"duration": 2 * HOUR, "max_delay": 24 * HOUR}

HOME = os.environ.get("AIRFLOW_HOME", str(Path.home() / "airflow"))
LOG = f"{HOME}/measurements/{{{{ run_id }}}}.jsonl"

WORK = f"""
import time
end, x = time.monotonic() + {JOB["duration"].total_seconds()}, 1.0
while time.monotonic() < end:
    x = (x * 1.1 + 1) % 97
"""

with DAG("carbon_demo", schedule=None, tags=["carbon"], doc_md=__doc__):
    choose = ChooseRegionOperator(task_id="choose_region", regions=REGIONS, **JOB)
    wait = CarbonAwareSensor(task_id="wait", region=choose.output["region"], **JOB)
    work = BashOperator(
        task_id="work",
        bash_command='python -m airflow_carbon.measure --out "$LOG" -- python -c "$WORK"',
        env={"LOG": LOG, "WORK": WORK},
        append_env=True,
    )
    account = EmissionsOperator(
        task_id="account", measurement=LOG, plan=wait.output, default_region="westeurope"
    )
    wait >> work >> account
