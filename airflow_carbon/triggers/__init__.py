"""Ring 3: what waits in the triggerer: a clock, a fetch and one pure call."""
