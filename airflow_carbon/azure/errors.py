"""What Azure refuses, and how its jobs end; no SDK is needed to catch them."""

from __future__ import annotations

from airflow_carbon.core.errors import CarbonError


class AzureRefusedError(CarbonError):
    """Azure understood a request and refused it.

    ``code`` is Azure's own word for why, of the innermost detail where there are several;
    ``status`` the HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return self.status == _NOT_FOUND

    @property
    def lacks_capacity(self) -> bool:
        """Whether another region or size may have what this one lacks."""
        return self.code in CAPACITY_CODES

    def __str__(self) -> str:
        text = f"Azure refused: {self.message.rstrip('.')} ({self.code})"
        remedy = _AZURE_REMEDIES.get(self.code)
        return f"{text}; {remedy}" if remedy else text


_NOT_FOUND = 404

CAPACITY_CODES = frozenset(
    {
        "AllocationFailed",
        "OperationNotAllowed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "QuotaExceeded",
        "SkuNotAvailable",
        "ZonalAllocationFailed",
    }
)
"""Azure's codes for no machine or no quota here and now (Microsoft, "Resolve errors for SKU not
available" and "Troubleshoot allocation failures", 2025)."""

_AZURE_REMEDIES = {
    "AuthorizationFailed": "give the login a role on that resource group, Contributor say",
    "InvalidTemplate": "mend the template: `az deployment group validate` tells more",
    "InvalidTemplateDeployment": "mend the template: `az deployment group validate` tells more",
    "NoRoom": "name more regions or sizes in targets=, or ask for more quota",
    "InvalidPropertyValue": "name a size that Azure has in that region",
    "ManagedEnvironmentNotFound": "create it in the target's resource group, or name another",
    "MissingSubscriptionRegistration": "register it once: `az provider register --namespace ...`",
    "OperationNotAllowed": "ask for more quota, or allow other regions or sizes",
    "QuotaExceeded": "ask for more quota, or allow other regions or sizes",
    "ResourceNotFound": "create it, or name another in the target",
    "ResourceGroupNotFound": "create the resource group, or name another in the target",
    "SkuNotAvailable": "allow other regions or sizes",
    "SubscriptionNotFound": "check the subscription id of the Airflow connection",
}


class TrainingFailedError(CarbonError):
    """A training job in Azure ended, and not well."""

    def __init__(self, name: str, said: str, message: str, link: str) -> None:
        super().__init__(name, said, message, link)
        self.name = name
        self.said = said
        self.message = message
        self.link = link

    def __str__(self) -> str:
        why = f": {self.message.strip()}" if self.message.strip() else ""
        return f"the training {self.name} ended as {self.said}{why}; more at {self.link}"


class LaunchStoppedError(CarbonError):
    """The task was ended while its training was being launched."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"the task was ended while {self.name} was launched: it is not launched, or cancelled"
        )
