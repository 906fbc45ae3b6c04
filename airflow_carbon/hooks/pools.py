"""The policies that an Airflow configuration gives to pools."""

from __future__ import annotations

import json
from typing import Any, Final

from airflow.sdk.configuration import conf

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.policy import Policy

SECTION: Final = "carbon"
OPTION: Final = "pool_policies"
NAME: Final = f"[{SECTION}] {OPTION}"


def pool_policy(pool: str) -> dict[str, Any] | None:
    """Return the policy of a pool, as plain values; None where there is none.

    Raises:
        InputError: the option can't be read.
    """
    text = conf.get(SECTION, OPTION, fallback="")
    if not text.strip():
        return None
    remedy = "write a JSON object: the name of a pool, then its policy"
    try:
        policies = json.loads(text)
    except ValueError as exc:
        raise InvalidOptionError(NAME, text, remedy) from exc
    if not isinstance(policies, dict):
        raise InvalidOptionError(NAME, text, remedy)
    return Policy.read(policies[pool]).as_dict() if pool in policies else None
