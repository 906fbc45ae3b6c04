"""The footprint of a run as a facet of OpenLineage, where Airflow's provider of it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.ledger.entry import Entry

FACET: Final = "airflowCarbon_footprint"
"""The key of the facet: a prefix of our own, as the specification asks of custom facets."""

PRODUCER: Final = f"pkg:pypi/airflow-carbon@{__version__}"


def footprint_lineage(entry: Entry, footprint: Mapping[str, Any]) -> Any:
    """Return an ``OperatorLineage`` with the footprint, and the run that it is of, as a run facet.

    Names and units are those of the XCom; what is not known is left out. Its schema is that of
    every run facet, which allows further properties.

    Raises:
        ImportError: Airflow's OpenLineage provider, which alone asks for this, is not installed.

    Reference: OpenLineage specification 2-0-2, "Custom Facet Naming".
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import RunFacet

    key = entry.key
    values = {name: value for name, value in footprint.items() if value is not None}
    values["measured_run"] = {name: getattr(key, name) for name in key.__slots__}
    if entry.model is not None:
        values["model"] = entry.model
    if entry.functional_unit is not None:
        values |= {
            "functional_unit": entry.functional_unit,
            "functional_units": entry.functional_units,
        }
    facet = RunFacet(producer=PRODUCER).with_additional_properties(**values)
    return OperatorLineage(run_facets={FACET: facet})
