from __future__ import annotations

import base64

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

V = "2024-07-01"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
SIZE = "Standard_NC24ads_A100_v4"


@pytest.fixture
def path(cloud):
    return f"{cloud.group()}/providers/Microsoft.Resources/deployments/gpu"


def machine(script, region="swedencentral", **properties):
    """Return a deployment of one machine, with the usual expressions."""
    template = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {
            "name": {"type": "string"},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
            "script": {"type": "secureString"},
        },
        "variables": {"vm": "[concat('vm-', parameters('name'))]"},
        "resources": [
            {
                "type": "Microsoft.Compute/virtualMachines",
                "apiVersion": "2024-07-01",
                "name": "[variables('vm')]",
                "location": "[parameters('location')]",
                "properties": {
                    "hardwareProfile": {"vmSize": SIZE},
                    "osProfile": {"customData": "[base64(parameters('script'))]"},
                }
                | properties,
            }
        ],
        "outputs": {
            "vm": {
                "type": "string",
                "value": "[resourceId('Microsoft.Compute/virtualMachines', variables('vm'))]",
            }
        },
    }
    given = {"name": {"value": "a"}, "script": {"value": script}, "location": {"value": region}}
    return {"properties": {"mode": "Incremental", "template": template, "parameters": given}}


def deploy(cloud, path, body):
    cloud.control.settings(retry_after_s=0)
    resources = cloud.client.resources
    return resources.begin_create_or_update_by_id(path.lstrip("/"), body, api_version=V)


def test_a_deployment_makes_a_machine_that_runs_its_cloud_init(cloud, azure, path, until):
    mark = cloud.control.sas("done", "marker", base=azure.plain_url)
    script = f"""#cloud-config
write_files:
- path: /opt/train.sh
  permissions: '0755'
  content: |
    echo trained
runcmd:
- sh /opt/train.sh > log
- [curl, -sf, -T, log, -H, 'x-ms-blob-type: BlockBlob', '{mark}']
"""
    done = deploy(cloud, path, machine(script)).result()
    place = f"{cloud.group()}/providers/Microsoft.Compute/virtualMachines/vm-a"
    assert done.properties["outputs"]["vm"]["value"] == place
    assert "script" not in done.properties["parameters"]
    until(lambda: httpx.get(mark).text, "trained\n")


def test_deploying_again_leaves_the_machine_that_is_there(cloud, path):
    for _ in range(2):
        deploy(cloud, path, machine("#!/bin/sh\ntrue\n")).result()
    assert cloud.control.starts("vm-a") == 1


def test_the_put_is_watched_at_its_operation(cloud, path, until):
    answer = cloud.ask("PUT", path, V, machine(""))
    assert (answer.status_code, answer.headers["Retry-After"]) == (201, "1")
    where = answer.headers["Azure-AsyncOperation"]
    until(lambda: cloud.ask("GET", where).json()["status"], "Succeeded")
    again = cloud.ask("POST", f"{path}/cancel", V)
    assert (again.status_code, again.json()["error"]["code"]) == (
        409,
        "DeploymentCannotBeCancelled",
    )


def test_a_deployment_under_way_is_not_replaced_but_can_be_cancelled(cloud, path):
    cloud.control.settings(step_s=30)
    cloud.ask("PUT", path, V, machine(""))
    again = cloud.ask("PUT", path, V, machine(""))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "DeploymentActive")
    assert cloud.ask("POST", f"{path}/cancel", V).status_code == 204
    assert cloud.get(path, V)["properties"]["provisioningState"] == "Canceled"
    assert cloud.control.starts("vm-a") == 0


@pytest.mark.parametrize("code", ["SkuNotAvailable", "QuotaExceeded", "AllocationFailed"])
def test_a_region_that_refuses_fails_the_deployment_with_the_cause_inside(cloud, path, code):
    cloud.control.no_capacity("swedencentral", code)
    with pytest.raises(HttpResponseError) as caught:
        deploy(cloud, path, machine("true")).result()
    error = caught.value.error
    assert (error.code, [d.code for d in error.details]) == ("DeploymentFailed", [code])
    assert cloud.control.starts("vm-a") == 0


def test_validation_foresees_a_lack_of_quota_but_not_of_machines(cloud, path):
    cloud.control.no_capacity("eastus", "AllocationFailed")
    fits = cloud.ask("POST", f"{path}/validate", V, machine("", "eastus"))
    assert fits.json()["properties"]["validatedResources"]
    cloud.control.quota("uksouth", "lowPriorityCores", 90, 100)
    spot = machine("", "uksouth", priority="Spot")
    error = cloud.ask("POST", f"{path}/validate", V, spot).json()["error"]
    assert (error["code"], error["details"][0]["code"]) == (
        "InvalidTemplateDeployment",
        "QuotaExceeded",
    )


def test_a_template_that_is_none_is_refused(cloud, path):
    for change in (
        {"$schema": "https://example.org/other.json"},
        {"resources": None},
        {"outputs": {"x": {"type": "string", "value": "[nonsense('a')]"}}},
        {"variables": {"vm": "[concat('vm-']"}},
        {"parameters": {}},
    ):
        body = machine("true")
        body["properties"]["template"] |= change
        if change.get("resources", 0) is None:
            del body["properties"]["template"]["resources"]
        answer = cloud.ask("PUT", path, V, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidTemplate")


def test_a_mode_a_name_and_base64_are_checked(cloud, path):
    no_mode = machine("true")
    del no_mode["properties"]["mode"]
    assert cloud.ask("PUT", path, V, no_mode).status_code == 400
    assert cloud.ask("PUT", f"{path}{'x' * 64}", V, machine("true")).status_code == 400
    garbled = machine("true", osProfile={"customData": "no base64!"})
    assert cloud.ask("PUT", path, V, garbled).json()["error"]["code"] == "InvalidTemplate"
    plain = machine("", osProfile={"customData": base64.b64encode(b"#!/bin/sh\ntrue").decode()})
    deploy(cloud, path, plain).result()
    assert cloud.control.starts("vm-a") == 1


def test_an_evicted_machine_boots_again_where_it_left_off(cloud, azure, path, until):
    script = """#cloud-config
bootcmd:
- if [ -e half ]; then echo resumed; else touch half; echo half; fi
runcmd:
- sleep 60
"""
    deploy(cloud, path, machine(script, priority="Spot")).result()
    place = f"{cloud.group()}/providers/Microsoft.Compute/virtualMachines/vm-a"
    log = cloud.control.sas("machines", "vm-a/cloud-init-output.log", base=azure.plain_url)
    until(lambda: httpx.get(log).text, "half\n")
    assert cloud.ask("POST", f"{place}/simulateEviction", V).status_code == 204
    assert power(cloud, place) == "PowerState/deallocated"
    assert cloud.ask("POST", f"{place}/start", V).status_code == 202
    assert power(cloud, place) == "PowerState/running"
    until(lambda: httpx.get(log).text, "half\nresumed\n")
    assert cloud.ask("DELETE", place, V).status_code == 202
    assert cloud.ask("DELETE", place, V).status_code == 204


def power(cloud, place):
    machine = cloud.get(f"{place}?$expand=instanceView", V)
    return machine["properties"]["instanceView"]["statuses"][-1]["code"]
