"""A stateful stand-in for Azure: ``with arm_server() as azure`` for tests, or a process of its own.

It stands for Entra, Resource Manager, Azure Machine Learning, Container Apps jobs, virtual
machines' cloud-init and run commands, Blob storage, Monitor metrics, Carbon Optimization and the
Retail Prices API. What is submitted really runs, as processes of this machine.

Each of Azure's regions has a resource group ``rg-{region}`` with a workspace ``ml-{region}``;
those of ``regions.py`` have GPU sizes, quotas and prices. By itself, for a demonstration, with
``tests`` on the path::

    python -m servers.arm --ca ca.pem --connections connections.json
"""

from __future__ import annotations

from servers.arm.control import Azure, arm_server

__all__ = ["Azure", "arm_server"]
