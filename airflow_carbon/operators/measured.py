"""What a task draws in its own worker: where it is logged, and how it gets into the ledger."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from airflow.sdk import get_current_context
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_carbon.meters.measuring import Measuring

SECTION: Final = "carbon"

FOOTPRINT: Final = "carbon_footprint"
"""The XCom of a measured task that has what ``EmissionsOperator`` returns."""

log = logging.getLogger(__name__)


def names_of(ti: Any) -> dict[str, str]:
    """Return the variables that name a task's try, for the agent."""
    return {
        "AIRFLOW_CTX_DAG_ID": str(ti.dag_id),
        "AIRFLOW_CTX_TASK_ID": str(ti.task_id),
        "AIRFLOW_CTX_DAG_RUN_ID": str(ti.run_id),
        "AIRFLOW_CTX_MAP_INDEX": str(-1 if ti.map_index is None else ti.map_index),
        "AIRFLOW_CTX_TRY_NUMBER": str(ti.try_number),
    }


def folder() -> Path:
    """Return where measurements are until they are in the ledger."""
    if named := conf.get(SECTION, "measured_folder", fallback="").strip():
        return Path(named)
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME) / "carbon"


def log_file(ti: Any) -> Path:
    """Return the file of a task's try: each has its own, whatever names are made of."""
    names = (quote(str(name), safe="")[:60] for name in (ti.dag_id, ti.task_id))
    return folder() / f"{'.'.join(names)}.{ti.id}.jsonl"


def place_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a task ran: as its author says, else as ``[carbon]`` says of all workers.

    Raises:
        InvalidOptionError: neither says it.
    """
    known = {k: options[k] for k in ("plan", "region", "zone") if options.get(k) is not None}
    for key in () if known else ("region", "zone"):
        if named := conf.get(SECTION, f"worker_{key}", fallback="").strip():
            return {key: named}
    if not known:
        remedy = "set [carbon] worker_region (an Azure region) or worker_zone (a grid zone)"
        raise InvalidOptionError("region", None, remedy)
    return known


def account_for(
    file: Path, context: Context, options: Mapping[str, Any], outlets: Sequence[Any] = ()
) -> dict[str, Any] | None:
    """Price a measurement and write its row, as ``EmissionsOperator``; return the footprint.

    None where it is not in the ledger. Never raises: what a task emitted is not what it is for.
    """
    from airflow_carbon.operators.emissions import EmissionsOperator

    try:
        operator = EmissionsOperator(
            task_id="account",
            measurement=str(file),
            outlets=list(outlets),
            **{**options, "plan": None, "region": None, "zone": None, **place_of(options)},
        )
        operator.submitted = context["dag_run"].run_after.isoformat()
        return operator.account(context)
    except Exception as exc:  # noqa: BLE001 - whatever it is, the task has done its work
        log.warning("this task is not in the ledger: %s. Its measurement is %s", exc, file)
        return None


def _push(ti: Any, footprint: dict[str, Any]) -> None:
    """Leave the footprint where notifiers and later tasks find it; it is in the ledger anyway."""
    try:
        ti.xcom_push(key=FOOTPRINT, value=footprint)
    except Exception as exc:  # noqa: BLE001 - whatever an XCom backend raises
        log.warning("the footprint is in the ledger, but not in XCom: %s", exc)


@contextmanager
def measuring_task(
    context: Context | None = None,
    *,
    account: bool = True,
    measurement: str | None = None,
    outlets: Sequence[Any] = (),
    **options: Any,
) -> Iterator[Measuring]:
    """Measure a block of a task, and account for the task's try when the block has ended.

    A block that raises is accounted for, too; one that is terminated leaves its measurement.
    What the measuring or the accounting can't do is in the task's log, and changes nothing else.
    The footprint is in the task's XCom ``carbon_footprint``, too.

    :param context: the task's; without it, that of the task which runs.
    :param account: whether to write the ledger's row.
    :param measurement: the log to write and keep; without it there is one in the folder
        ``[carbon] measured_folder``, which goes away when its row is in the ledger.
    :param options: those of ``EmissionsOperator``; without region, zone and plan, the workers'.
    """
    from airflow_carbon.meters.measuring import Measuring

    context = context or get_current_context()
    ti = context["ti"]
    file = Path(measurement) if measurement else log_file(ti)
    meter = Measuring(file, names=names_of(ti))
    meter.start()
    meter.wait_until_ready()

    def end(rc: int) -> None:
        counted = meter.stop(rc) and account
        footprint = account_for(file, context, options, outlets) if counted else None
        if footprint is None:
            return
        _push(ti, footprint)
        if measurement is None:
            with suppress(OSError):
                file.unlink()

    try:
        yield meter
    except (Exception, AirflowTaskTimeout):
        end(1)
        raise
    except BaseException:
        meter.stop(1)  # whoever terminates a task gives it seconds
        raise
    end(0)
