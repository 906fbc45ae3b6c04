"""Decorators that Airflow offers as ``@task.<name>``."""
