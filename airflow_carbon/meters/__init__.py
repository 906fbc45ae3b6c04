"""Meters: what the hardware drew, counted beside the job and read on Airflow's side.

All but ``reading`` runs on the training machine: the standard library, and nvidia-ml-py
where there is a GPU. ``reading`` turns the log into the core's types and needs numpy.
"""
