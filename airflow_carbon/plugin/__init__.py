"""The carbon page in Airflow's UI."""
