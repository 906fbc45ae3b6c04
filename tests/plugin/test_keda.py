"""What an autoscaler reads, behind Airflow's own login."""

from __future__ import annotations

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.pool import Pool

MADE_UP = "made.up.token"


@pytest.fixture(scope="module")
def pools(metadata):
    for name, slots in (("gpu/big", 5), ("endless", -1)):
        Pool.create_or_update_pool(name, slots, description="", include_deferred=False)


@pytest.fixture
def ask(visit, pools):
    """Ask as KEDA does, with a bearer token."""
    user = SimpleAuthManagerUser(username="keda", role="viewer")
    own = get_auth_manager().generate_jwt(user)

    def of(path, token=own):
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return visit().get(f"/carbon{path}", headers=headers)

    return of


def test_the_slots_of_a_pool_are_a_number_at_the_top_of_the_answer(ask):
    reply = ask("/keda/pool/gpu/big")

    assert reply.status_code == 200
    assert reply.json() == {
        "pool": "gpu/big",
        "slots": 5,
        "wanted_slots": 0,
        "running_slots": 0,
        "queued_slots": 0,
    }
    assert ask("/keda/pool/endless").json()["slots"] == -1


def test_a_pool_that_is_not_there_is_not_found(ask):
    assert ask("/keda/pool/tpu").status_code == 404


@pytest.mark.parametrize(
    "path", ["/keda/pool/gpu/big", "/keda/zone/SE-SE3?min_slots=1&max_slots=9"]
)
def test_nobody_is_told_anything_without_a_token(ask, path):
    assert ask(path, token=None).status_code == 401
    assert ask(path, token=MADE_UP).status_code in {401, 403}


def test_a_grid_says_how_wide_a_pool_of_such_bounds_would_be(ask):
    reply = ask("/keda/zone/SE-SE3?min_slots=1&max_slots=9&clean_below=900&dirty_above=1000")

    assert reply.status_code == 200
    assert reply.json()["slots"] == 9
    assert reply.json()["because"] == "clean"


def test_a_grid_that_nobody_knows_has_the_safe_width(ask):
    reply = ask("/keda/zone/<script>?min_slots=1&max_slots=9&safe_slots=3")

    assert (reply.json()["slots"], reply.json()["because"]) == (3, "no_data")


def test_bounds_that_can_not_be_are_refused_with_the_remedy(ask):
    reply = ask("/keda/zone/DE?min_slots=10&max_slots=9")

    assert reply.status_code == 400
    assert "max_slots" in reply.json()["detail"]
    assert ask("/keda/zone/DE").status_code == 422
