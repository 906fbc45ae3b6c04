"""No test inherits what another's server taught: the system gives ports out again."""

from __future__ import annotations

import pytest

from airflow_carbon.services.flight import ANSWERS
from airflow_carbon.services.gate import GATES


@pytest.fixture(autouse=True)
def strangers():
    """Forget gates and tokens, which are kept by address."""
    GATES.gates.clear()
    ANSWERS.known.clear()
