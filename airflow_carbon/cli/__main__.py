"""``python -m airflow_carbon.cli``."""

from __future__ import annotations

import sys

from airflow_carbon.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
