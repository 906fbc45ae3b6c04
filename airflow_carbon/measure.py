"""Count the energy of a command: ``python -m airflow_carbon.measure --out FILE -- CMD ...``."""

from __future__ import annotations

from airflow_carbon.meters.agent import main

if __name__ == "__main__":
    raise SystemExit(main())
