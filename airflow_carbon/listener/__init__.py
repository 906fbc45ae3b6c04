"""The plugin that measures chosen tasks, whose DAGs need not know of it."""
