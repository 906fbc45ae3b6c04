"""The connection of type ``carbon``, opened: questions about intensity, in both colours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon import clock
from airflow_carbon.core.errors import CarbonError, InputError, UnknownConnectionError
from airflow_carbon.hooks.ledger import LedgerHook

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from sqlalchemy import URL

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, IntensitySeries, Survey
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source
    from airflow_carbon.services.registry import Options

DEFAULT_CONN_ID: Final = "carbon_default"


class CarbonHook(BaseHook):
    """Asks the sources of a connection for carbon intensity.

    Without a connection ``carbon_default`` the embedded defaults serve: typical days of
    every grid zone that an Azure region stands in, with no key and no network.

    The connection is read once in a hook's life, so that a wait goes on while Airflow's
    API server is away.

    :param carbon_conn_id: the Airflow connection, of type ``carbon``.
    """

    conn_name_attr = "carbon_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "carbon"
    hook_name = "Carbon intensity"

    def __init__(self, carbon_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.carbon_conn_id = carbon_conn_id
        self._options: Options | None = None
        self._ledger_url: str | URL | None = None

    def options(self) -> Options:
        """Read the connection.

        Raises:
            UnknownConnectionError: a connection that is not there, the default excepted.
            InputError: a field whose text can't be read.
        """
        from airflow_carbon.services.registry import Options

        if self._options is None:
            try:
                connection = self.get_connection(self.carbon_conn_id)
            except AirflowNotFoundException as exc:
                self._options = self._embedded(exc)
            else:
                self._options = Options.parse(connection.extra_dejson)
        return self._options

    async def aoptions(self) -> Options:
        """Read the connection, from an event loop; raises as :meth:`options` does."""
        from airflow_carbon.services.registry import Options

        if self._options is None:
            try:
                connection = await self.aget_connection(self.carbon_conn_id)
            except AirflowNotFoundException as exc:
                self._options = self._embedded(exc)
            else:
                self._options = Options.parse(connection.extra_dejson)
        return self._options

    def sources(self) -> tuple[Source, ...]:
        """Return the sources in the order of the ladder, with the ledger's archive behind them.

        Raises as :meth:`options` does; a ledger that can't be had is done without.
        """
        from airflow_carbon.hooks.archive import ARCHIVES

        options = self.options()
        if not (options.archive and options.asks_services):
            return options.open()
        if self._ledger_url is None:
            try:
                self._ledger_url = LedgerHook().url()
            except InputError as exc:
                self.log.warning("forecasts are not archived: %s", exc)
                return options.open()
        return options.open(ARCHIVES.at(self._ledger_url, keep=options.archived_for))

    async def asources(self) -> tuple[Source, ...]:
        """Return the sources, from an event loop; as :meth:`sources`."""
        from airflow_carbon.hooks.archive import ARCHIVES

        options = await self.aoptions()
        if not (options.archive and options.asks_services):
            return options.open()
        if self._ledger_url is None:
            try:
                self._ledger_url = await LedgerHook().aurl()
            except InputError as exc:
                self.log.warning("forecasts are not archived: %s", exc)
                return options.open()
        archive = await asyncio.to_thread(ARCHIVES.at, self._ledger_url, keep=options.archived_for)
        return options.open(archive)

    def forecast(
        self, zone: ZoneKey, flex: Flexibility, *, strict: bool = False
    ) -> Forecast | None:
        """Climb the ladder for a forecast that covers a job; None when every rung fails.

        Raises:
            InputError: a connection that can't be; with ``strict`` a broken file or a zone
                that no source knows, too.
        """
        from airflow_carbon.services.calls import drive

        return drive(self._climb(self.sources(), zone, flex, strict=strict))

    async def aforecast(
        self, zone: ZoneKey, flex: Flexibility, *, strict: bool = False
    ) -> Forecast | None:
        """Climb the ladder from an event loop; raises as :meth:`forecast` does."""
        from airflow_carbon.services.calls import adrive

        return await adrive(self._climb(await self.asources(), zone, flex, strict=strict))

    def survey(
        self, zone: ZoneKey, begin: datetime, end: datetime, *, anew: bool = False
    ) -> Survey | None:
        """Ask for the intensity over a span: actuals to now, a forecast beyond.

        None where no source knows the whole span. ``anew`` passes the archive by: what it has may
        have been revised since.
        """
        from airflow_carbon.services.calls import drive

        sources = self.options().open() if anew else self.sources()
        return drive(_survey(sources, zone, begin, end))

    async def asurvey(self, zone: ZoneKey, begin: datetime, end: datetime) -> Survey | None:
        """Ask for the intensity over a span, from an event loop."""
        from airflow_carbon.services.calls import adrive

        return await adrive(_survey(await self.asources(), zone, begin, end))

    async def aactual(
        self, zone: ZoneKey, source: str, begin: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Ask a source by its name what the intensity was; None where it has no actuals.

        Raises:
            InputError: a connection that can't be, or a zone that the source does not know.
            ServiceUnavailableError: the source does not answer.
        """
        from airflow_carbon.services.calls import asend
        from airflow_carbon.services.typical import Typical

        for one in await self.asources():
            if one.name == source and not isinstance(one, Typical):  # what is typical never was
                series = await asend(one.history(zone, begin=begin, end=end))
                return replace(series, zone=zone)  # some are asked by data centre
        return None

    def test_connection(self) -> tuple[bool, str]:
        """Ask each source what works, for the form's *Test* button; good where all of them do."""
        from airflow_carbon.azure.regions import region
        from airflow_carbon.services.calls import send

        try:
            options = self.options()
            if options.default_region:
                region(options.default_region)
            sources = options.open()
        except CarbonError as exc:
            return False, str(exc)
        good, said = True, []
        for source in sources:
            try:
                said.append(send(source.check()))
            except CarbonError as exc:
                good = False
                said.append(str(exc))
        return good, "; ".join(said)

    def _climb(
        self, sources: Sequence[Source], zone: ZoneKey, flex: Flexibility, *, strict: bool
    ) -> Generator[Call[Forecast], Forecast, Forecast | None]:
        from airflow_carbon.services.ladder import Question, climb
        from airflow_carbon.services.memory import LAST_ISSUES

        now = clock.now()
        begin = max(now, flex.earliest)
        question = Question(
            zone=zone,
            now=now,
            begin=begin,
            need=begin + flex.duration,
            until=max(flex.deadline, begin + flex.duration),
        )
        return climb(
            sources,
            question,
            last=LAST_ISSUES,
            on_failure=self._failed,
            strict=strict,
        )

    def _failed(self, exc: CarbonError) -> None:
        """Say that a rung of the ladder broke."""
        self.log.warning("the next source is asked: %s", exc)

    def _embedded(self, missing: Exception) -> Options:
        from airflow_carbon.services.registry import Options

        if self.carbon_conn_id != DEFAULT_CONN_ID:
            raise UnknownConnectionError(self.carbon_conn_id, "carbon") from missing
        return Options()


def _survey(
    sources: Sequence[Source], zone: ZoneKey, begin: datetime, end: datetime
) -> Generator[Call[IntensitySeries] | Call[Forecast], IntensitySeries | Forecast, Survey | None]:
    from airflow_carbon.services.survey import survey

    return survey(sources, zone, begin=begin, end=end, now=clock.now())
