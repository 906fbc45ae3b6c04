"""Ring 3: the command line, ``airflow-carbon``."""
