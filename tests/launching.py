"""Where trainings are launched in a stand-in for Azure: a target of each kind."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

from hanging import HANGS_S

from airflow_carbon.azure.job import job_name
from airflow_carbon.azure.target import read_targets

SIZE = "Standard_NC24ads_A100_v4"
DOCS = Path(__file__).parents[1] / "docs" / "how-to"


def learning(region, **fields):
    profile = {
        "kind": "machine_learning",
        "resource_group": f"rg-{region}",
        "workspace": f"ml-{region}",
        "environment_id": "azureml:torch:1",
        "instance_type": SIZE,
    }
    return {region: profile | fields}


def containers(region):
    profile = {
        "kind": "container_apps",
        "resource_group": f"rg-{region}",
        "environment": "gpu",
        "image": "train:1",
    }
    return {region: profile}


MACHINE = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {name: {"type": "string"} for name in ("command", "name", "location")},
    "resources": [
        {
            "type": "Microsoft.Compute/virtualMachines",
            "apiVersion": "2024-07-01",
            "name": "[parameters('name')]",
            "location": "[parameters('location')]",
            "properties": {
                "hardwareProfile": {"vmSize": SIZE},
                "osProfile": {"customData": "[base64(parameters('command'))]"},
            },
        }
    ],
}


def machine(region):
    profile = {"kind": "template", "resource_group": f"rg-{region}", "template": MACHINE}
    return {region: profile}


def machine_of_the_docs(region, policy="Delete", *, spot=True, **fields):
    """Return the example of how-to/azure.md; a machine that is not spot has no eviction policy."""
    template = json.loads((DOCS / "azure-machine.json").read_text())
    (made,) = (one for one in template["resources"] if one["type"].endswith("/virtualMachines"))
    made["properties"]["evictionPolicy"] = policy
    if not spot:
        for key in ("priority", "evictionPolicy", "billingProfile"):
            del made["properties"][key]
    profile = {
        "kind": "template",
        "resource_group": f"rg-{region}",
        "template": template,
        "parameters": {"subnet": "/subscriptions/s/subnets/a", "sshKey": "ssh-ed25519 AAAA"},
        "machine": "{name}",
    }
    return {region: profile | fields}


def targets(*profiles):
    merged = {}
    for profile in profiles:
        merged |= profile
    return list(read_targets(merged).values())


name_of = partial(
    lambda attempt, run="r": job_name(
        dag_id="train", run_id=run, task_id="fit", map_index=-1, attempt=attempt
    )
)


def ended(arm, launched, patience_s=HANGS_S):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        view = arm.send(launched.target.look(arm.login.subscription_id, launched.name))
        if view.state.is_final:
            return view
        time.sleep(0.05)
    raise AssertionError(view)
