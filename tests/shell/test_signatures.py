"""A signed URL's signature shows nowhere, also where an author wrote it into the DAG."""

from __future__ import annotations

import json
import secrets
from urllib.parse import quote

import pytest
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields
from airflow.sdk.log import redact
from pausing import TARGETS, training

from airflow_carbon.operators.training import hide


def signed():
    signature = f"{secrets.token_urlsafe(20)}+/{secrets.token_hex(4)}="
    written = quote(signature, safe="")
    url = f"https://a.blob.core.windows.net/logs?sv=2025-01-05&sr=c&sp=crw&sig={written}"
    return url, {signature, written}


def shown(operator):
    return json.dumps(_serialize_rendered_fields(operator))


@pytest.mark.parametrize(
    "place",
    [
        lambda url: {"measurement_url": url},
        lambda url: {"environment": {"DATA": url}},
        lambda url: {"command": f"wget '{url}' && python train.py"},
        lambda url: {"targets": {"swedencentral": TARGETS["swedencentral"] | {"compute": url}}},
    ],
)
def test_a_signature_in_the_dag_is_masked_in_what_was_rendered(place):
    url, signatures = signed()
    operator = training(**{"command": "true", **place(url)})

    operator.render_template_fields({})

    text = shown(operator)
    assert "sig=" in text
    assert not any(one in text for one in signatures)


def test_a_signature_that_a_template_brings_is_masked_before_it_is_shown():
    url, signatures = signed()
    operator = training("true", measurement_url="{{ params.url }}")

    operator.render_template_fields({"params": {"url": url}})

    assert operator.measurement_url == url
    assert not any(one in shown(operator) for one in signatures)


def test_what_has_no_signature_is_left_alone():
    for value in (None, 7, "sig=short", ["a", {"b": ("c", {"d"})}], "?sig={{ var.value.sas }}"):
        hide(value)

    assert redact("an innocent sentence, sig=short") == "an innocent sentence, sig=short"
