"""Ring 3: sensors."""
