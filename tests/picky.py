"""An auth manager that lets a user read some DAGs alone: Airflow's simple one cannot."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

READABLE = {"narrow": {"batch_scoring"}, "nobody": set()}
"""What each user may read; who is not here may read all."""


class PickyAuthManager(SimpleAuthManager):
    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        allowed = READABLE.get(user.username)
        if allowed is not None and (details is None or details.id not in allowed):
            return False
        return super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
