"""``@task.measured``: a Python task whose energy is counted where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.operators.measured import measuring_task
from airflow_carbon.operators.page_link import CarbonPageLink
from airflow_carbon.operators.work import read_work
from airflow_carbon.triggers.request import check_place, is_template

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

ACCOUNTED = (
    "plan",
    "region",
    "zone",
    "size",
    "default_region",
    "model",
    "functional_units",
    "functional_unit",
    "carbon_conn_id",
    "ledger_conn_id",
)
"""The options of the accounting; they are those of ``EmissionsOperator``."""


class MeasuredOperator(DecoratedOperator, PythonOperator):
    """Runs a Python function as ``@task`` does, counts its energy, and writes the ledger's row.

    The XCom is what the function returns. The energy is that of the GPUs which
    CUDA_VISIBLE_DEVICES shows when it begins, and of the processor time of the function and of
    what it starts. What can't be measured, priced or written is said in the task's log; the task
    succeeds or fails by its function alone.

    :param account: False measures alone; name the ``measurement`` then.
    :param measurement: the log to write and keep. Put ``{{ ti.try_number }}`` in its name, or a
        try's row has the energy of the earlier ones, too.
    :param plan: the sensor's XCom, or
    :param region: the Azure region of the worker, or
    :param zone: its grid zone; without any, ``[carbon] worker_region`` or ``worker_zone``.

    The other options are those of ``EmissionsOperator``.

    Raises:
        InputError: arguments that can't be, when the DAG is parsed.
    """

    custom_operator_name: str = "@task.measured"
    operator_extra_links = (CarbonPageLink(),)
    template_fields: Sequence[str] = (
        "templates_dict",
        "op_args",
        "op_kwargs",
        "measurement",
        *ACCOUNTED,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "templates_dict": "json",
        "op_args": "py",
        "op_kwargs": "py",
    }

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any],
        op_kwargs: Mapping[str, Any],
        account: bool = True,
        measurement: str | None = None,
        plan: Mapping[str, Any] | None = None,
        region: str | None = None,
        zone: str | None = None,
        size: str | None = None,
        default_region: str | None = None,
        model: str | None = None,
        functional_units: float | str | None = None,
        functional_unit: str | None = None,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        function: dict[str, Any] = {
            "python_callable": python_callable,
            "op_args": op_args,
            "op_kwargs": op_kwargs,
        }
        super().__init__(kwargs_to_upstream=function, **function, **kwargs)
        self.account = account
        self.measurement = measurement
        self.plan = plan
        self.region = region
        self.zone = zone
        self.size = size
        self.default_region = default_region
        self.model = model
        self.functional_units = functional_units
        self.functional_unit = functional_unit
        self.carbon_conn_id = carbon_conn_id
        self.ledger_conn_id = ledger_conn_id
        if region is not None and zone is not None:
            check_place(region, zone)
        for name in (region, default_region):
            if name is not None and not is_template(name):
                region_by_name(name)
        if not is_template([functional_units, functional_unit]):
            read_work(None, functional_units, functional_unit)

    def execute(self, context: Context) -> Any:
        """Run the function, measured, and return what it returns."""
        with measuring_task(
            context,
            account=self.account,
            measurement=self.measurement,
            outlets=self.outlets,
            **{name: getattr(self, name) for name in ACCOUNTED},
        ):
            return super().execute(context)


def measured_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,  # noqa: FBT001 - as Airflow calls it
    **kwargs: Any,
) -> TaskDecorator:
    """Make a function a measured task: ``@task.measured`` or ``@task.measured(region=...)``."""
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=MeasuredOperator,
        **kwargs,
    )
