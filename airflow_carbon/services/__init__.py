"""Ring 2: sources of carbon intensity, each behind the same contract."""
