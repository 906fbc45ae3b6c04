"""What an installation is judged by: facts in, a verdict and a sentence that says what to mend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import CarbonError, ServiceUnavailableError
from airflow_carbon.core.intensity import Quality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast

FLOOR: Final = (3, 3)
"""The oldest Airflow that this package runs on."""

SHORT: Final = timedelta(hours=24)
"""A forecast that ends sooner shows a wait less than a day's cleanest hours."""

SKEW: Final = timedelta(seconds=30)
"""A clock that is this far off puts joules into the wrong step only at its edges; more is wrong."""


class Verdict(StrEnum):
    """What a check came to, best first."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A check that was made: of what, what it came to, and a sentence."""

    name: str
    verdict: Verdict
    says: str
    of: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it as plain values."""
        return {
            "check": self.name,
            "of": self.of,
            "verdict": self.verdict.value,
            "says": self.says,
        }


def worst(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict; ok where nothing was checked."""
    order = list(Verdict)
    return max((one.verdict for one in checks), key=order.index, default=Verdict.OK)


def failed(name: str, error: Exception, of: str = "") -> Check:
    """Return a check that ended with an error, whose sentence it is."""
    says = str(error) if isinstance(error, CarbonError) else f"{type(error).__name__}: {error}"
    if type(error) is ServiceUnavailableError:
        says += "; see that this machine reaches it (name, firewall, HTTPS_PROXY)"
    return Check(name=name, of=of, verdict=Verdict.FAIL, says=" ".join(says.split()))


def airflow_check(version: str, python: str) -> Check:
    """Judge the release of Airflow."""
    release = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    says = f"Airflow {version} on Python {python}"
    if release >= FLOOR:
        return Check(name="airflow", verdict=Verdict.OK, says=says)
    says += f" is too old: pip install --upgrade 'apache-airflow>={FLOOR[0]}.{FLOOR[1]}'"
    return Check(name="airflow", verdict=Verdict.FAIL, says=says)


def provider_check(version: str | None, *, plugin: bool, errors: Sequence[str]) -> Check:
    """Judge whether Airflow knows this package as a provider (``version``) and as a plugin."""
    name = "provider"
    if version is None:
        says = (
            "Airflow does not know this package as a provider, so it has no connection type "
            "carbon: install it with pip in the environment that Airflow runs in"
        )
        return Check(name=name, verdict=Verdict.FAIL, says=says)
    if errors or not plugin:
        why = "; ".join(errors) or "its entry point is missing: install the package again"
        says = f"Airflow has not loaded the plugin airflow_carbon: {why}"
        return Check(name=name, verdict=Verdict.FAIL, says=says)
    says = f"airflow-carbon {version} is registered, its plugin is loaded"
    return Check(name=name, verdict=Verdict.OK, says=says)


def horizon_check(
    of: str,
    zone: str,
    forecast: Forecast | None,
    *,
    now: datetime,
    asks_services: bool,
) -> Check:
    """Judge what a wait at ``now`` would be told; ``asks_services``: more than typical days."""
    name = "forecast"
    if forecast is None:
        says = f"no source has a forecast for {zone}: tasks would start at once"
        return Check(name=name, of=of, verdict=Verdict.FAIL, says=says)
    ahead = forecast.series.ends - now
    says = f"{forecast.source} ({forecast.quality}) knows {zone} for {_hours(ahead)}"
    if not asks_services:
        says += "; no service is asked: fill in a key, or name one in sources, for real forecasts"
        if forecast.quality in {Quality.CLIMATOLOGY, Quality.STATIC}:
            return Check(name=name, of=of, verdict=Verdict.WARN, says=says)
        return Check(name=name, of=of, verdict=Verdict.OK, says=says)
    if forecast.quality is not Quality.ISSUED:
        says += ", because no service issued one just now: waits go on with that meanwhile"
        return Check(name=name, of=of, verdict=Verdict.WARN, says=says)
    if ahead < SHORT:
        says += ": waits look no further; ask for a longer horizon, where your plan has it"
        return Check(name=name, of=of, verdict=Verdict.WARN, says=says)
    return Check(name=name, of=of, verdict=Verdict.OK, says=says)


def ledger_check(where: str, version: str | None, newest: str, runs: int, issues: int) -> Check:
    """Judge a ledger that can be reached and written; ``version`` is that of its tables."""
    name = "ledger"
    if version is None:
        says = f"{where} is writable and has no tables yet: `airflow-carbon ledger migrate`, or "
        return Check(name=name, verdict=Verdict.OK, says=says + "the first task, makes them")
    if version != newest:
        says = f"{where} has tables of version {version}, {newest} is current: "
        says += "`airflow-carbon ledger migrate`, or the next task, brings them up to date"
        return Check(name=name, verdict=Verdict.WARN, says=says)
    says = f"{where} is writable, at version {version}: {_count(runs, 'run')}, "
    says += f"{_count(issues, 'archived forecast')}"
    return Check(name=name, verdict=Verdict.OK, says=says)


def gpu_check(driver: str | None, methods: Mapping[str, str], complaint: str) -> Check:
    """Judge the GPUs of this machine: by device, how its energy is told (``meters.log``)."""
    name = "gpu"
    if not methods and not complaint:
        says = "no NVIDIA GPU here; where training runs, `doctor` says what its meters can do"
        return Check(name=name, verdict=Verdict.SKIPPED, says=says)
    said = f"NVIDIA driver {driver}: " if driver else ""
    said += ", ".join(f"{device}: {_METHODS[method]}" for device, method in methods.items())
    if complaint:
        said += f"; {complaint}" if said else complaint
    if "missing" in methods.values():
        return Check(name=name, verdict=Verdict.FAIL, says=said)
    if complaint or set(methods.values()) != {"counter"}:
        return Check(name=name, verdict=Verdict.WARN, says=said)
    return Check(name=name, verdict=Verdict.OK, says=said)


_METHODS: Final = {
    "counter": "energy counter",
    "power": "no energy counter, its power is sampled",
    "model": "a share of its card, as a model",
    "missing": "can't be read",
}


def triggerer_check(health: Mapping[str, Mapping[str, str | None]]) -> Check:
    """Judge the triggerer, in which waits stand, by what Airflow says of its own health."""
    name = "triggerer"
    if (health.get("metadatabase") or {}).get("status") != "healthy":
        says = "Airflow can't read its own database: `airflow db check` says more"
        return Check(name=name, verdict=Verdict.FAIL, says=says)
    found = health.get("triggerer") or {}
    beat = found.get("latest_triggerer_heartbeat")
    if found.get("status") == "healthy":
        says = f"the triggerer is alive, last heartbeat {beat}"
        return Check(name=name, verdict=Verdict.OK, says=says)
    since = f"was last heard of {beat}" if beat else "has never run"
    says = f"the triggerer {since}, and no wait goes on without it: start `airflow triggerer`"
    return Check(name=name, verdict=Verdict.FAIL, says=says)


def clock_check(of: str, ours: datetime, theirs: datetime) -> Check:
    """Judge this machine's clock by another's, read at about the same moment."""
    off = ours - theirs
    way = "ahead of" if off > timedelta(0) else "behind"
    says = f"this machine's clock is {abs(off).total_seconds():.0f} s {way} that of {of}"
    if abs(off) <= SKEW:
        return Check(name="clock", of=of, verdict=Verdict.OK, says=says)
    says += ": energy would be priced with the wrong hours; let it keep time (chrony, NTP)"
    return Check(name="clock", of=of, verdict=Verdict.WARN, says=says)


def skipped(name: str, says: str, of: str = "") -> Check:
    """Return a check that was not made, and why."""
    return Check(name=name, of=of, verdict=Verdict.SKIPPED, says=says)


def fine(name: str, says: str, of: str = "") -> Check:
    """Return a check that found nothing to mend."""
    return Check(name=name, of=of, verdict=Verdict.OK, says=says)


def _hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):.0f} h ahead"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
