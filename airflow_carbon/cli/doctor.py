"""``airflow-carbon doctor``: what this installation lacks, and how to mend it."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from rich.text import Text

from airflow_carbon import clock
from airflow_carbon.azure.regions import region
from airflow_carbon.cli import airflow_side
from airflow_carbon.cli.show import console, print_json
from airflow_carbon.core.checks import (
    Check,
    Verdict,
    airflow_check,
    clock_check,
    failed,
    fine,
    gpu_check,
    horizon_check,
    ledger_check,
    provider_check,
    skipped,
    triggerer_check,
    worst,
)
from airflow_carbon.core.errors import CarbonError, InvalidOptionError
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.condition import look
from airflow_carbon.ledger.migrate import REVISIONS
from airflow_carbon.meters.log import MISSING
from airflow_carbon.meters.nvml import driver_version, open_gpus
from airflow_carbon.services.calls import drive, send
from airflow_carbon.services.ladder import Question, climb
from airflow_carbon.services.memory import LAST_ISSUES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from airflow_carbon.services.registry import Options

REGION: Final = "westeurope"
"""Asked for where neither an option nor the connection names a place."""

STYLES: Final = {
    Verdict.OK: "green",
    Verdict.SKIPPED: "dim",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
}


def run(options: argparse.Namespace) -> int:
    """Make every check and print them; 1 where one fails.

    Raises:
        InputError: a place or a URL that can't be.
    """
    zone = region(options.region).zone if options.region else options.zone
    if options.airflow_url and not options.airflow_url.startswith(("http://", "https://")):
        raise InvalidOptionError("--airflow-url", options.airflow_url, "write http://host:port")
    checks = list(examine(options, zone))
    verdict = worst(checks)
    if options.json:
        print_json({"verdict": verdict.value, "checks": [one.as_dict() for one in checks]})
    else:
        _print(checks)
    return int(verdict is Verdict.FAIL)


def examine(options: argparse.Namespace, zone: str | None) -> Iterator[Check]:
    """Yield the checks, in the order of what depends on what; none raises."""
    yield from _tried("airflow", "", _airflow)
    yield from _tried("provider", "", _provider)
    conn_ids, complaint = options.conn_id, None
    if not conn_ids:
        conn_ids, complaint = _known_connections()
    if complaint:
        yield complaint
    for conn_id in conn_ids:
        yield from _tried("connection", conn_id, partial(_connection, conn_id, zone))
    yield from _tried("ledger", "", partial(_ledger, options.ledger_conn_id))
    yield from _tried("gpu", "", _gpus)
    yield from _tried("triggerer", "", partial(_triggerer, options.airflow_url))
    yield from _tried("azure", "", partial(_azure, options.azure_conn_id))


def _tried(name: str, of: str, checks: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Yield checks; an error of any kind is one that failed, for the others are still wanted."""
    try:
        yield from checks()
    except Exception as exc:  # noqa: BLE001
        yield failed(name, exc, of)


def _airflow() -> Iterator[Check]:
    yield airflow_check(version("apache-airflow"), platform.python_version())


def _provider() -> Iterator[Check]:
    known, plugin, errors = airflow_side.registered()
    yield provider_check(known, plugin=plugin, errors=errors)


def _known_connections() -> tuple[list[str], Check | None]:
    try:
        found = airflow_side.connection_ids(CarbonHook.conn_type)
    except CarbonError as exc:
        return [DEFAULT_CONN_ID], failed("connection", exc)
    return (found if DEFAULT_CONN_ID in found else [DEFAULT_CONN_ID, *found]), None


def _connection(conn_id: str, zone: str | None) -> Iterator[Check]:
    options = CarbonHook(conn_id).options()
    names = ", ".join(options.sources)
    yield fine("connection", f"asks {names}", conn_id)
    yield from _keys(conn_id, options)
    place = zone or region(options.default_region or REGION).zone
    yield from _tried("forecast", conn_id, partial(_forecast, conn_id, options, place))


def _keys(conn_id: str, options: Options) -> Iterator[Check]:
    """Put each source's own test."""
    for source in options.open():
        try:
            yield fine("key", send(source.check()), conn_id)
        except CarbonError as exc:
            yield failed("key", exc, conn_id)


def _forecast(conn_id: str, options: Options, zone: str) -> Iterator[Check]:
    """Climb the ladder as a wait would, without the archive: nothing is written."""
    now = clock.now()
    asked = Question(
        zone=ZoneKey(zone), now=now, begin=now, need=now + HOUR, until=now + timedelta(days=3)
    )
    rungs = climb(options.open(), asked, last=LAST_ISSUES, on_failure=lambda _: None, strict=True)
    forecast = drive(rungs)
    yield horizon_check(conn_id, zone, forecast, now=now, asks_services=options.asks_services)


def _ledger(conn_id: str) -> Iterator[Check]:
    found = look(LedgerHook(conn_id).url())
    yield ledger_check(found.where, found.version, REVISIONS[-1], found.runs, found.issues)
    if found.clocks:
        yield clock_check("the ledger's server", *found.clocks)


def _gpus() -> Iterator[Check]:
    gpus = open_gpus(os.environ)
    answers = gpus.read(patience_s=2.0)
    devices = [
        one if answers[one.id] is not None else replace(one, method=MISSING) for one in gpus.devices
    ]
    methods = {f"{one.name} {one.id}": one.method for one in devices}
    yield gpu_check(driver_version() if devices else None, methods, gpus.complaint)


def _triggerer(url: str | None) -> Iterator[Check]:
    if url:
        health, theirs = airflow_side.health_over_api(url)
        yield triggerer_check(health)
        if theirs:
            yield clock_check("Airflow's API", clock.now(), theirs)
        return
    missing = airflow_side.missing_database()
    if missing is not None:
        yield skipped(
            "triggerer",
            f"Airflow has no database at {missing} (yet: `airflow db migrate`); where it runs "
            "elsewhere, ask it: --airflow-url http://host:8080",
        )
        return
    yield triggerer_check(airflow_side.health_in_database())


def _azure(conn_id: str | None) -> Iterator[Check]:
    if conn_id is None:
        yield skipped("azure", "not asked for; --azure-conn-id azure_default logs in")
        return
    with AzureHook(conn_id).arm() as arm:
        from airflow_carbon.azure.offers import locations  # noqa: PLC0415 - of the extra azure

        found = arm.send(locations(arm.login.subscription_id))
    says = f"the login works; subscription {arm.login.subscription_id} has {len(found)} regions"
    yield fine("azure", says, conn_id)


def _print(checks: list[Check]) -> None:
    screen = console()
    for check in checks:
        of = f"{check.of}: " if check.of else ""
        verdict = (f"{check.verdict:<8}", STYLES[check.verdict])
        screen.print(Text.assemble(verdict, f"{check.name:<11}{of}{check.says}"))
    count = [sum(one.verdict is verdict for one in checks) for verdict in Verdict]
    screen.print(", ".join(f"{n} {verdict}" for verdict, n in zip(Verdict, count, strict=True)))
