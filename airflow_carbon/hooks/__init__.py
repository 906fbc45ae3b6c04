"""Ring 3: Airflow connections, opened."""
