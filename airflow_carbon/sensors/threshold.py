"""``CarbonIntensitySensor``: waits until a grid is clean enough, at no worker's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.threshold import OnTimeout, outcome, outcome_sentence, read_on_timeout
from airflow_carbon.sensors.window import CarbonAwareSensor
from airflow_carbon.triggers.request import is_template, plain_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow.sdk import Context

USUAL_DURATION: Final = "1h"
"""The step of most forecasts."""


class CarbonIntensitySensor(CarbonAwareSensor):
    """Waits for the first window at or below an intensity, then succeeds.

    ``CarbonAwareSensor`` with a limit, in the first window that keeps to it rather than in the
    cleanest: the same wait in the triggerer, the same sources, reasons and XCom (the plan), and
    never past its latest start. The intensity is the mean over ``duration`` from the start on, by
    the newest forecast, whose first step is the running one. It is not the latest *actual* value:
    that is hours old with most services, and says nothing of the hours that the work will run in.

    :param below: the threshold [gCO2eq/kWh]; or
    :param below_percentile: a percentile (0 to 100) of the zone's last seven days. Of both
        together the lower counts.
    :param duration: over how long the mean has to be at or below it; how long the work takes, best.
    :param on_timeout: what happens where its latest start comes first, or where nobody knows the
        intensity or the percentile: ``go`` (succeed: the default), ``fail`` (without another try)
        or ``skip``. The plan's reason is ``deadline`` or ``no_data`` then.

    The other parameters are those of ``CarbonAwareSensor``; ``max_delay``, ``deadline`` or
    ``policy`` has to say how long it may wait.

    Raises:
        InputError: at DAG parse where the mistake is visible there, otherwise before the
            wait begins.
    """

    template_fields: Sequence[str] = (*CarbonAwareSensor.template_fields, "on_timeout")

    def __init__(
        self,
        *,
        below: float | str | None = None,
        below_percentile: float | str | None = None,
        duration: timedelta | str | Sequence[tuple[timedelta | str, float]] = USUAL_DURATION,
        on_timeout: str = OnTimeout.GO.value,
        **kwargs: Any,
    ) -> None:
        limits = {"below_g_per_kwh": below, "below_percentile": below_percentile}
        self._limits = {name: value for name, value in limits.items() if value is not None}
        self.on_timeout = on_timeout
        if not self._limits:
            remedy = (
                "give a threshold [gCO2eq/kWh], below=200, or a percentile of the zone's last "
                "seven days, below_percentile=25"
            )
            raise InvalidOptionError("below", below, remedy)
        if not is_template(on_timeout):
            read_on_timeout(on_timeout)
        super().__init__(duration=duration, **kwargs)

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the plan, or end otherwise where the grid has not got there.

        Raises:
            AirflowFailException, AirflowSkipException: as ``on_timeout`` says.
        """
        end = outcome(event, self.on_timeout)
        if end is OnTimeout.GO:
            return super().resume(context, event)
        context["ti"].xcom_push(key="return_value", value=event)
        failure = AirflowSkipException if end is OnTimeout.SKIP else AirflowFailException
        raise failure(outcome_sentence(event))

    def _read_policy(self, policy: Policy | Mapping[str, Any] | str | None) -> object:
        """Return the policy with the limits; the lower one where it has its own."""
        given = super()._read_policy(policy)
        limits = {**self._limits, "soonest": True}
        if not is_template([given, limits]):
            return plain_policy(Policy.read(given) & Policy.read(limits))
        if isinstance(given, str):
            remedy = "write it as a mapping: the limit has to be put into it"
            raise InvalidOptionError("policy", given, remedy)
        return {**(given if isinstance(given, dict) else {}), **limits}
