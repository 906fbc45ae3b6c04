"""Words that the training machine and Airflow have in common; it runs on Python 3.8, too."""

from __future__ import annotations

from typing import Final

UPLOAD_URL: Final = "AIRFLOW_CARBON_UPLOAD_URL"
"""The variable by which the agent knows where to put its log: an Azure blob's URL, signed (SAS).
From the environment: an argument can be read by every process of the machine."""

SAY_LOG: Final = "AIRFLOW_CARBON_SAY_LOG"
"""The variable that lets the agent print its log where it could put it nowhere."""

HOST: Final = ("cpu", "memory")
"""How the ids of processors and memory begin, in the agent's log and in the ledger; every other
device is a GPU. They are counted for the command alone, a GPU for whoever uses it."""

ANYWHERE: Final = ("GPU-", "MIG-")
"""How ids begin that no other device in the world has; the others' hold on their machine."""
