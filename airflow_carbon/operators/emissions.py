"""``EmissionsOperator``: from a measurement to a footprint, in XCom and in the ledger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.errors import ServiceUnavailableError
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID as AZURE_CONN_ID
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.crosscheck import try_cross_check
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.operators.beside import book_beside
from airflow_carbon.operators.booking import (
    Site,
    annotate_assets,
    interval_rows,
    ledger_entry,
    part_values,
    run_key,
    xcom_values,
)
from airflow_carbon.operators.lineage import footprint_lineage
from airflow_carbon.operators.metrics import try_metrics
from airflow_carbon.operators.page_link import CarbonPageLink
from airflow_carbon.operators.work import (
    read_embodied,
    read_job,
    read_logs,
    read_plan,
    read_work,
)
from airflow_carbon.triggers.request import SUBMITTED, check_place, is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_carbon.core.accounting import Account
    from airflow_carbon.core.energy import EnergyProfile
    from airflow_carbon.core.intensity import Survey
    from airflow_carbon.ledger.entry import Entry
    from airflow_carbon.ledger.store import Ledger
    from airflow_carbon.meters.reading import Measurement


class EmissionsOperator(BaseOperator):
    """Prices measured energy with the intensity of its hours, and writes it to the ledger.

    The XCom is the footprint: energy_kwh, emissions_g with emissions_low_g and
    emissions_high_g, mean_g_per_kwh, pue, energy_method, coverage, intensity_source,
    intensity_quality, and the difference against baseline (baseline_g, baseline_method, delta_g,
    delta_percent; negative is cleaner; None where the baseline's intensity is not known), and
    beside it planned_emissions_g, which the plan promised of this energy. ``shared_with`` names
    runs in the ledger that had one of its GPUs at the same time: each is charged all of it.
    The event of an asset among ``outlets`` carries the footprint in its extra, under ``carbon``.
    The baseline is the same energy, begun when the job first could, in the default region, without
    its pauses. A training that was paused and moved is one run: each segment of its log is priced
    in the region that it ran in (``parts``), and the row's region is that which drew most.

    :param measurement: what ``python -m airflow_carbon.measure --out`` wrote: a file, or those of
        a run's nodes or ranks, of which what two agents counted of one device counts once.
    :param plan: the sensor's XCom: where the job ran, when it could have begun, and what
        was promised; or
    :param job: the XCom of an ``AzureTrainingOperator``: region and size, and what Azure Monitor
        saw of the GPUs is fetched and stored beside, where it has that.
    :param region: the Azure region that the job ran in, or
    :param zone: its grid zone.
    :param size: the machine's size, ``choose.output["machine"]`` or ``train.output["size"]`` say:
        by it later choices tell this run's duration and energy from those on other sizes.
    :param default_region: the Azure region of the baseline; without it the connection's,
        without that the region that the job ran in.
    :param model: the model that was trained or asked: budgets add up by it.
    :param functional_units: how much work it was: a number of
    :param functional_unit: what is counted: ``"epoch"``, ``"thousand samples"``.
    :param embodied: what building the hardware emitted, for its share in the SCI
        (``docs/explanation/accounting.md``):
        ``{"kg": 150, "lifespan": "1460d", "share": 1, "source": "..."}``.
    :param carbon_conn_id: a connection of type ``carbon``.
    :param also: other connections of that type, by which the same energy is priced as well: one of
        a marginal signal, say. What they say is kept apart, in ``beside`` and in the ledger's
        table ``carbon_run_signal``.
    :param ledger_conn_id: the ledger's connection.
    :param azure_conn_id: the connection of type ``azure`` by which ``job`` ran.

    Raises:
        InputError: arguments that can't be.
        MeasurementError: the measurement can't be read.
        ServiceUnavailableError: no source knows the intensity of those hours (yet).
        LedgerError: the row can't be written.
    """

    template_fields: Sequence[str] = (
        "measurement",
        "plan",
        "job",
        "region",
        "zone",
        "size",
        "default_region",
        "model",
        "functional_units",
        "functional_unit",
        "embodied",
        "carbon_conn_id",
        "also",
        "ledger_conn_id",
        "azure_conn_id",
        "submitted",
    )
    ui_color = "#d5f0dc"
    operator_extra_links = (CarbonPageLink(),)

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        measurement: str | Sequence[str],
        plan: Mapping[str, Any] | None = None,
        job: Mapping[str, Any] | None = None,
        region: str | None = None,
        zone: str | None = None,
        size: str | None = None,
        default_region: str | None = None,
        model: str | None = None,
        functional_units: float | str | None = None,
        functional_unit: str | None = None,
        embodied: Mapping[str, Any] | None = None,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        also: Sequence[str] = (),
        ledger_conn_id: str = LEDGER_CONN_ID,
        azure_conn_id: str = AZURE_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.measurement = measurement
        self.plan = plan
        self.job = job
        self.region = region
        self.zone = zone
        self.size = size
        self.default_region = default_region
        self.model = model
        self.functional_units = functional_units
        self.functional_unit = functional_unit
        self.embodied = embodied
        self.carbon_conn_id = carbon_conn_id
        self.also = [also] if isinstance(also, str) else list(also)
        self.ledger_conn_id = ledger_conn_id
        self.azure_conn_id = azure_conn_id
        self.submitted = SUBMITTED
        self._booked: tuple[Entry, dict[str, Any]] | None = None
        if plan is None and job is None:
            check_place(region, zone)
        for name in (region, default_region):
            if name is not None and not is_template(name):
                region_by_name(name)
        if not is_template([functional_units, functional_unit]):
            read_work(None, functional_units, functional_unit)
        if not is_template(embodied):
            read_embodied(embodied)

    def execute(self, context: Context) -> dict[str, Any]:
        """Account for the measurement."""
        return self.account(context)

    def account(self, context: Context) -> dict[str, Any]:
        """Read, price, compare, write, return; also within another task, whose fields are final."""
        from airflow_carbon.ledger.sharing import sharing
        from airflow_carbon.ledger.spans import booked_until
        from airflow_carbon.meters.reading import read_measurement

        work = read_work(self.model, self.functional_units, self.functional_unit)
        embodied = read_embodied(self.embodied)
        measured = read_measurement(*read_logs(self.measurement))
        hook = CarbonHook(self.carbon_conn_id)
        plan = read_plan(self.plan)
        job = read_job(self.job)
        sites = {name: self._site(plan, job, name) for name in measured.by_region}
        baseline = self._baseline_site(hook, next(iter(sites.values())))
        submitted = parse_instant("submitted", plan.get("submitted_at", self.submitted))
        price = partial(
            _account, measured=measured, sites=sites, baseline=baseline, submitted=submitted
        )
        whole, each = price(hook)
        parts = list(zip(sites.values(), measured.by_region.values(), each, strict=True))
        site = max(parts, key=lambda part: part[2].footprint.energy_kwh)[0]
        entry = ledger_entry(
            run_key(measured, context),
            measured,
            whole,
            site=site,
            baseline=baseline,
            plan=plan,
            submitted=submitted,
            work=work,
            size=self.size if self.size not in {None, "", "None"} else job.get("size"),
            embodied=embodied,
        )
        rows = [
            row
            for where, profile, one in parts
            for row in interval_rows(profile, one, str(where.zone))
        ]
        with LedgerHook(self.ledger_conn_id).ledger() as ledger:
            since = booked_until(ledger, entry.key)
            ledger.write(entry, rows)
            shared = [f"{one.dag_id}/{one.task_id} {one.run_id}" for one in sharing(ledger, entry)]
            if job:
                self._cross_check(ledger, entry, job)
            beside = book_beside(
                ledger, entry.key, whole, conn_ids=self.also, price=price, warn=self.log.warning
            )
        if shared:
            doubled = "each is charged all that it drew, and a sum over them has that twice"
            self.log.warning("a GPU was also that of %s: %s", ", ".join(shared), doubled)
        place = " and ".join(str(one.name or one.zone) for one in sites.values())
        self.log.info(whole.sentence(place, baseline.name or baseline.zone))
        try_metrics(entry, rows, since)
        annotate_assets(self.outlets, context, entry)
        values = xcom_values(entry, [part_values(where, one) for where, _, one in parts])
        values |= {"beside": beside, "shared_with": shared}
        self._booked = entry, values
        return values

    def get_openlineage_facets_on_complete(self, task_instance: object) -> Any:
        """Return the footprint as a run facet: Airflow's OpenLineage provider asks for it."""
        del task_instance
        return footprint_lineage(*self._booked) if self._booked else None

    def _cross_check(self, ledger: Ledger, entry: Entry, job: Mapping[str, Any]) -> None:
        check = try_cross_check(self.azure_conn_id, ledger, entry.key, job, now=clock.now())
        if check and entry.energy_gpu_j:
            percent = 100 * (check.joules / entry.energy_gpu_j - 1)
            self.log.info(
                "Azure Monitor saw %.0f J on the GPUs, %+.1f %% against the agent",
                check.joules,
                percent,
            )

    def _site(self, plan: Mapping[str, Any], job: Mapping[str, Any], measured: str | None) -> Site:
        """Return where a part of the run was: as the log says, else as the DAG does."""
        name = measured or self.region or job.get("region") or plan.get("region")
        if name:
            found = region_by_name(name)
            return Site(zone=found.zone, region=found)
        return Site(zone=ZoneKey(str(self.zone or plan["zone"])), region=None)

    def _baseline_site(self, hook: CarbonHook, site: Site) -> Site:
        name = self.default_region or hook.options().default_region
        if not name:
            return site
        found = region_by_name(name)
        return Site(zone=found.zone, region=found)


def _account(
    hook: CarbonHook,
    measured: Measurement,
    sites: Mapping[str | None, Site],
    baseline: Site,
    submitted: datetime,
) -> tuple[Account, list[Account]]:
    from airflow_carbon.core.parts import Part, account_parts

    parts = [
        Part(profile=profile, actual=_survey(hook, sites[name], profile), pue=sites[name].pue)
        for name, profile in measured.by_region.items()
    ]
    begin, end = measured.profile.without_gaps().span
    return account_parts(
        measured.profile,
        parts,
        baseline=hook.survey(baseline.zone, submitted, submitted + (end - begin)),
        baseline_pue=baseline.pue,
        submitted=submitted,
    )


def _survey(hook: CarbonHook, site: Site, profile: EnergyProfile) -> Survey:
    begin, end = profile.span
    actual = hook.survey(site.zone, begin, end)
    if actual is None:
        cause = f"nothing on {site.zone} from {begin:%F %H:%MZ} to {end:%F %H:%MZ}"
        raise ServiceUnavailableError("every source", cause)
    return actual
