"""Ring 3: operators."""
