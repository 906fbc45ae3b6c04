"""The footprint in messages: a text for any notifier, and a notifier that posts it itself."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.bases.notifier import BaseNotifier
from jinja2 import pass_context

from airflow_carbon.core.errors import InvalidOptionError, ServiceUnavailableError
from airflow_carbon.core.footprint_text import Emitted, nothing_known
from airflow_carbon.core.units import to_kwh
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID, LedgerHook
from airflow_carbon.operators.measured import FOOTPRINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Connection, Context

    from airflow_carbon.ledger.entry import Entry

PATIENCE_S: Final = 10.0
"""How long a webhook may take to answer."""

OF_A_DAG: Final = "reason"
"""What the context of a DAG's callback has and a task's has not: its ``ti`` is the last one's."""

log = logging.getLogger(__name__)


@pass_context
def footprint_text(context: Mapping[str, Any], *, ledger_conn_id: str = DEFAULT_CONN_ID) -> str:
    """Return what a run emitted, in two sentences: in a callback, or as a macro of a DAG.

    In a callback ``footprint_text(context)``. In a template ``{{ footprint_text() }}``, where the
    DAG has ``user_defined_macros={"footprint_text": footprint_text}``.

    The figures are those of the task whose context it is, all its tries; where the ledger has
    none of it, and in a callback of the DAG, those of the whole DAG run; else those in the task's
    own XCom. Where nobody knows them, the text says so. It never raises for lack of a figure.

    Raises:
        InvalidOptionError: it is no context.
    """
    ti = None if OF_A_DAG in context else context.get("ti")
    dag_id, run_id = _names(context)
    rows = _rows(dag_id, run_id, ledger_conn_id)
    own = [row for row in rows if ti is not None and _is_of(row, ti)]
    name = f"{dag_id} ({run_id})" if ti is None or not own else f"{dag_id}.{ti.task_id}"
    found = [_emitted(row) for row in own or rows]
    if ti is not None and not found and (footprint := _in_xcom(ti)) is not None:
        name, found = f"{dag_id}.{ti.task_id}", [Emitted.read(footprint)]
    total = Emitted.sum(found)
    return nothing_known(name) if total is None else total.sentences(name)


class CarbonNotifier(BaseNotifier):
    """Says what a task or a DAG run emitted: in the log, and to a webhook where one is named.

    ``on_success_callback=CarbonNotifier(http_conn_id="chat")``. The webhook is posted a JSON object
    with the ``text``, as Slack, Mattermost and others take it.

    :param message: text before the figures; templated.
    :param http_conn_id: a connection with the webhook's URL: whole in its password, where it is
        kept secret, or as schema, host and port, with ``path`` in its extra. Without it the text is
        logged alone.
    :param ledger_conn_id: the ledger's connection.
    """

    template_fields: Sequence[str] = ("message", "http_conn_id", "ledger_conn_id")

    def __init__(
        self,
        *,
        message: str = "",
        http_conn_id: str | None = None,
        ledger_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message = message
        self.http_conn_id = http_conn_id
        self.ledger_conn_id = ledger_conn_id

    def notify(self, context: Context) -> None:
        """Log the text, and post it.

        Raises:
            InvalidOptionError: a connection without a URL.
            ServiceUnavailableError: the webhook did not take it.
        """
        text = footprint_text(dict(context), ledger_conn_id=self.ledger_conn_id)
        text = f"{self.message} {text}".strip()
        self.log.info("%s", text)
        if self.http_conn_id is not None:
            post(self.http_conn_id, text)


def post(http_conn_id: str, text: str) -> None:
    """Post a text to the webhook of a connection; its URL is in no error, since it is a secret.

    Raises:
        InvalidOptionError: a connection without a URL.
        ServiceUnavailableError: the webhook did not take it.
    """
    import httpx
    from airflow.sdk import BaseHook

    url = webhook_url(BaseHook.get_connection(http_conn_id))
    try:
        reply = httpx.post(url, json={"text": text}, timeout=PATIENCE_S)
    except (httpx.TransportError, httpx.InvalidURL) as exc:
        raise ServiceUnavailableError(http_conn_id, type(exc).__name__) from None
    if not reply.is_success:
        raise ServiceUnavailableError(http_conn_id, f"status {reply.status_code}")


def webhook_url(connection: Connection) -> str:
    """Return the URL of a connection.

    Raises:
        InvalidOptionError: it has none.
    """
    if connection.password:
        return str(connection.password)
    if not connection.host:
        remedy = "write the webhook's URL into the connection's password, or its host"
        raise InvalidOptionError("http_conn_id", connection.conn_id, remedy)
    host = connection.host
    base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    port = f":{connection.port}" if connection.port else ""
    path = str(connection.extra_dejson.get("path", ""))
    return f"{base}{port}/{path.lstrip('/')}"


def _names(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the ids of the DAG and of the run; a DAG's callback may have little else."""
    for one in (context.get("ti"), context.get("dag_run")):
        if one is not None:
            return one.dag_id, one.run_id
    if context.get("dag") is None or context.get("run_id") is None:
        remedy = "give the context of a task or of a DAG's callback"
        raise InvalidOptionError("context", sorted(context), remedy)
    return context["dag"].dag_id, context["run_id"]


def _is_of(row: Entry, ti: Any) -> bool:
    index = -1 if ti.map_index is None else ti.map_index
    return (row.key.task_id, row.key.map_index) == (ti.task_id, index)


def _rows(dag_id: str, run_id: str, ledger_conn_id: str) -> list[Entry]:
    try:
        with LedgerHook(ledger_conn_id).ledger() as ledger:
            return ledger.of_run(dag_id, run_id)
    except Exception as exc:  # noqa: BLE001 - whatever it is, the message goes out
        log.warning("the ledger can't be read for a message: %s", exc)
        return []


def _emitted(row: Entry) -> Emitted:
    known = {name: getattr(row, name) for name in Emitted.__slots__ if name != "energy_kwh"}
    return Emitted(energy_kwh=to_kwh(row.energy_j), **known)


def _in_xcom(ti: Any) -> Mapping[str, Any] | None:
    """Return the footprint that a task has in its own XCom."""
    for key in (FOOTPRINT, "return_value"):
        with suppress(Exception):  # whatever an XCom backend raises, the message goes out
            found = ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
            if isinstance(found, dict) and "emissions_g" in found and "energy_kwh" in found:
                return found
    return None
