"""Ring 1: what is decided and what is counted. Pure: no clock, no network, no Airflow."""
