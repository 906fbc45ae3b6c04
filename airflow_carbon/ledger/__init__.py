"""Ring 2: the metrics table, in SQL."""
