"""The Airflow connections by which Airflow finds the stand-in, as it would find Azure."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from servers.arm import login
from servers.arm.world import SUBSCRIPTION

if TYPE_CHECKING:
    from servers.arm.world import World

LOGS = "energy"
"""The container for the agent's logs."""

LIFE = timedelta(days=365)


def connections(world: World, *, url: str, plain_url: str, ca: str) -> str:
    """Return them as JSON, by their ids: what Airflow's local filesystem backend reads.

    ``azure_default`` reaches the stand-in; the password of ``energy_log`` is the URL of a
    container for the agent's logs, with a signature.
    """
    extra = {
        "subscriptionId": SUBSCRIPTION,
        "tenantId": login.TENANT,
        "arm_endpoint": url,
        "authority": url,
        "ca_file": ca,
    }
    azure = {"login": login.CLIENT, "password": login.SECRET}
    logs = {"password": world.blobs.sas(plain_url, LOGS, "", "rcw", LIFE)}
    found: dict[str, dict[str, Any]] = {
        "azure_default": {"conn_type": "azure", **azure, "extra": json.dumps(extra)},
        "energy_log": {"conn_type": "generic", **logs},
    }
    return json.dumps(found, indent=2)
