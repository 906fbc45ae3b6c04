"""Every error of the package; each carries its facts and writes its own sentence.

::

    CarbonError
    ├── InputError                      what was written can't be: mend it, a retry won't help
    │   ├── InvalidDurationError        not a length of time, or not a positive one
    │   ├── InvalidInstantError         not a date with a time zone
    │   ├── NoFeasibleWindowError       the job does not fit between earliest start and deadline
    │   ├── UnknownZoneError            a grid zone that no source knows
    │   ├── UnknownRegionError          a cloud region that the table lacks
    │   ├── UnknownSizeError            a machine size that Azure lacks
    │   ├── UnknownConnectionError      an Airflow connection that is not there
    │   ├── MissingExtraError           a part of this package that is not installed
    │   ├── InvalidOptionError          an option of a connection or an operator that can't be
    │   └── InvalidSeriesError          gaps, NaN, negative values, uneven steps
    ├── ServiceUnavailableError         a source gave no answer this time: try the next rung
    │   ├── AccessRefusedError          the key is wrong, or its plan does not allow this
    │   ├── RateLimitedError            asked too often: not before ``retry_after``
    │   └── MalformedReplyError         an answer that can't be read, or that can't be true
    ├── ForecastCoverageError           the series does not reach far enough for this job
    ├── NoRegionLeftError               every region is left out; it says why
    ├── RunsNotStartedError             DAG runs that Airflow refused to create
    ├── MeasurementError                a measurement that can't be read
    └── LedgerError                     the metrics table can't be reached or is of another version

More are at home in :mod:`airflow_carbon.azure.errors` (``AzureRefusedError``,
``TrainingFailedError``) and in :mod:`airflow_carbon.core.gate_errors` (``BudgetExceededError``,
``EnergyRegressionError``, ``UnknownFigureError``).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta


class CarbonError(Exception):
    """Base of all errors of this package."""


class InputError(CarbonError):
    """What the user wrote can't be; a retry won't help."""


class InvalidDurationError(InputError):
    """Not a length of time, or not a positive one."""

    def __init__(self, name: str, value: object) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return (
            f"{self.name}={self.value!r} is not a positive length of time; "
            "write a timedelta, or a string such as '90m', '4h', '1d12h' or 'PT4H'"
        )


class InvalidInstantError(InputError):
    """Not a date with a time zone."""

    def __init__(self, name: str, value: object) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return (
            f"{self.name}={self.value!r} is not an instant with a time zone; write an aware "
            "datetime, or ISO 8601 with an offset such as '2026-11-21T09:00:00+01:00'"
        )


class NoFeasibleWindowError(InputError):
    """The job does not fit between its earliest start and its deadline."""

    def __init__(self, duration: timedelta, earliest: datetime, deadline: datetime) -> None:
        super().__init__(duration, earliest, deadline)
        self.duration = duration
        self.earliest = earliest
        self.deadline = deadline

    def __str__(self) -> str:
        if self.deadline <= self.earliest:
            return (
                f"the deadline {self.deadline:%F %H:%MZ} is not after the earliest start "
                f"{self.earliest:%F %H:%MZ}; the deadline is the instant by which the work must "
                "have ended: set it later"
            )
        return (
            f"a job of {self.duration} does not fit between {self.earliest:%F %H:%MZ} and "
            f"{self.deadline:%F %H:%MZ}; shorten the duration or set the deadline later"
        )


class _UnknownNameError(InputError):
    """A name that is not in a table; says which come close."""

    kind = "name"
    remedy = ""

    def __init__(self, name: str, known: Collection[str] = ()) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        names = {known.lower(): known for known in self.known}
        close = [names[match] for match in get_close_matches(self.name.lower(), names, n=2)]
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"unknown {self.kind} {self.name!r}{hint} {self.remedy}".rstrip()


class UnknownZoneError(_UnknownNameError):
    """A grid zone that no source of the connection knows."""

    kind = "grid zone"
    remedy = (
        "(zones are Electricity Maps keys such as 'SE-SE3'; for an Azure region write region=, "
        "or give a source that covers the zone, such as a replay file)"
    )


class UnknownRegionError(_UnknownNameError):
    """A cloud region that the table lacks."""

    kind = "Azure region"
    remedy = (
        "(names are as `az account list-locations` prints them, such as 'swedencentral'; "
        "for a place that is no Azure region write zone=)"
    )


class UnknownSizeError(_UnknownNameError):
    """A machine size that Azure offers in none of the regions."""

    kind = "machine size"
    remedy = (
        "(none of the regions that were asked offers it; names are as `az vm list-skus` prints "
        "them, such as 'Standard_NC24ads_A100_v4')"
    )


class UnknownConnectionError(InputError):
    """An Airflow connection that is not there."""

    def __init__(
        self,
        conn_id: str,
        conn_type: str,
        instead: str = "leave the argument out to use the embedded defaults",
    ) -> None:
        super().__init__(conn_id, conn_type, instead)
        self.conn_id = conn_id
        self.conn_type = conn_type
        self.instead = instead

    def __str__(self) -> str:
        return (
            f"there is no Airflow connection {self.conn_id!r}; create it "
            f"(`airflow connections add {self.conn_id} --conn-type {self.conn_type}`), "
            f"or {self.instead}"
        )


class MissingExtraError(InputError):
    """A part of the package that was not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(extra, module)
        self.extra = extra
        self.module = module

    def __str__(self) -> str:
        return (
            f"the module {self.module!r} is not installed here: "
            f"pip install 'airflow-carbon[{self.extra}]'"
        )


class InvalidOptionError(InputError):
    """An option of a connection or an operator that can't be."""

    def __init__(self, option: str, value: object, remedy: str) -> None:
        super().__init__(option, value, remedy)
        self.option = option
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.option}={self.value!r} can't be: {self.remedy}"


class InvalidSeriesError(InputError):
    """A series with gaps, NaN, negative values, or uneven steps."""

    def __init__(self, origin: str, fault: str) -> None:
        super().__init__(origin, fault)
        self.origin = origin
        self.fault = fault

    def __str__(self) -> str:
        return f"the intensity series of {self.origin} can't be used: {self.fault}"


class ServiceUnavailableError(CarbonError):
    """A source gave no answer this time."""

    def __init__(self, service: str, cause: str) -> None:
        super().__init__(service, cause)
        self.service = service
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.service} gave no answer: {self.cause}"


class AccessRefusedError(ServiceUnavailableError):
    """The key is wrong, or the plan that it belongs to does not allow this."""

    def __str__(self) -> str:
        return f"{self.service} refused access: {self.cause}"


class RateLimitedError(ServiceUnavailableError):
    """The service was asked too often; it may be asked again after ``retry_after``."""

    def __init__(self, service: str, retry_after: timedelta) -> None:
        super().__init__(service, f"asked too often; it wants {retry_after} of peace")
        self.retry_after = retry_after


class MalformedReplyError(ServiceUnavailableError):
    """The answer can't be read, or can't be true."""


class ForecastCoverageError(CarbonError):
    """The series does not reach far enough for this job."""

    def __init__(self, begins: datetime, ends: datetime) -> None:
        super().__init__(begins, ends)
        self.begins = begins
        self.ends = ends

    def __str__(self) -> str:
        return (
            f"no feasible window lies inside the series, which covers "
            f"{self.begins:%F %H:%MZ} to {self.ends:%F %H:%MZ}"
        )


class NoRegionLeftError(CarbonError):
    """Every region is left out."""

    def __init__(self, why: Mapping[str, str]) -> None:
        super().__init__(dict(why))
        self.why = dict(why)

    def __str__(self) -> str:
        said = "; ".join(f"{region} ({reason})" for region, reason in self.why.items())
        return f"no region can take the job: {said}"


class RunsNotStartedError(CarbonError):
    """DAG runs that Airflow refused to create; those of the others are there."""

    def __init__(self, why: Mapping[str, str]) -> None:
        super().__init__(dict(why))
        self.why = dict(why)

    def __str__(self) -> str:
        said = "; ".join(f"{run_id} ({reason})" for run_id, reason in self.why.items())
        return (
            f"Airflow created no run for {len(self.why)} of the queue: {said}; mend them and "
            "clear this task: runs that are there already are left as they are"
        )


class MeasurementError(CarbonError):
    """A measurement that can't be read."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return f"the measurement {self.path!r} can't be read: {self.fault}"


class LedgerError(CarbonError):
    """The metrics table can't be reached, or is of another version."""

    def __init__(self, where: str, fault: str) -> None:
        super().__init__(where, fault)
        self.where = where
        self.fault = fault

    def __str__(self) -> str:
        return f"the ledger at {self.where} can't be used: {self.fault}"
