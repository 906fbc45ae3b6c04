"""A stateful stand-in for Azure: ``with arm_server() as azure`` for tests, or a process of its own.

It stands for Entra, Resource Manager, Azure Machine Learning, Container Apps jobs, virtual
machines' cloud-init, Blob storage, Monitor metrics, Carbon Optimization and the Retail Prices
API. What is submitted really runs, as processes of this machine.

Each of its regions (``regions.py``) has a resource group ``rg-{region}`` with a workspace
``ml-{region}``. By itself, for a demonstration, with ``tests`` on the path::

    python -m servers.arm --port 8443 --plain-port 8080 --ca ca.pem --name azure
"""

from __future__ import annotations

from servers.arm.control import Azure, arm_server

__all__ = ["Azure", "arm_server"]
