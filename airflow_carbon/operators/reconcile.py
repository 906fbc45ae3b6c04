"""``ReconcileOperator``: what a run emitted, once more, when its hours are known better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.operators.revising import read_span, reconcile
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from airflow.sdk import Context


class ReconcileOperator(BaseOperator):
    """Accounts once more for the runs whose intensities may have been revised since.

    Grid operators revise what they publish for some days, and the newest hours of a run may have
    been priced by a forecast. Run it once a day, ``schedule="@daily"`` say. It takes the runs that
    ended ``after`` ago or more and are not final yet, prices their intervals anew, at the PUE that
    they were booked with, and writes a new version where the figures changed; no version is ever
    edited. A run whose hours are actual on both sides is final from then on. One that is still
    estimated is asked for again the next time, until ``within`` has passed. A new figure never
    has a worse quality, another signal or other factors than the one it takes the place of.

    The XCom counts runs: ``revised``, ``confirmed`` (the same figures), ``kept`` (nothing better
    is known; ``kept_because``), ``failed``, and ``settled``, which are final now; ``change_g`` is
    by how much the emissions of all changed; ``revisions`` and ``failures`` name the first ten.
    A run that fails stops no other; the task fails where all do. Done again, it goes on where it
    stopped.

    :param after: how long after a run its intensities are taken for final.
    :param within: how long better data are hoped for.
    :param carbon_conn_id: a connection of type ``carbon``: that by which the runs were booked.
    :param ledger_conn_id: the ledger's connection.

    Raises:
        InputError: arguments that can't be.
        LedgerError: the ledger can't be read.
    """

    template_fields: Sequence[str] = ("after", "within", "carbon_conn_id", "ledger_conn_id")
    ui_color = "#d5f0dc"

    def __init__(
        self,
        *,
        after: str | timedelta = "48h",
        within: str | timedelta = "30d",
        carbon_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.after = after
        self.within = within
        self.carbon_conn_id = carbon_conn_id
        self.ledger_conn_id = ledger_conn_id
        if not is_template([after, within]):
            read_span(after, within)

    def execute(self, context: Context) -> dict[str, Any]:
        """Take the runs, price them, write what changed, return the counts."""
        del context
        span = read_span(self.after, self.within)
        hook = CarbonHook(self.carbon_conn_id)
        with LedgerHook(self.ledger_conn_id).ledger() as ledger:
            report = reconcile(ledger, hook, span, say=self.log.info)
        found = report.as_dict()
        self.log.info("%s", found)
        return found
