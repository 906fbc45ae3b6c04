"""How the stand-in is told what to do: ``POST /_control/{order}``, with a body of arguments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from servers.arm.carbon import Emission
from servers.arm.faults import Fault
from servers.arm.lives import lose
from servers.arm.wire import ArmError, Room
from servers.arm.world import SUBSCRIPTION, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI, Request
    from servers.arm.lives import Job

room = Room()
ORDERS: dict[str, Callable[..., Any]] = {}


def order(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep an order: it is given the world and what the body says."""
    ORDERS[act.__name__] = act
    return act


@room.plain("POST", "/_control/{order}")
async def obey(request: Request, world: World) -> Any:
    """Carry an order out and answer what it returns."""
    said = await request.json()
    name = request.path_params["order"]
    if name == "reset":
        return {"said": await reset(request.app)}
    if name not in ORDERS:
        raise ArmError(404, "NotFound", f"There is no order '{name}'.")
    answer = ORDERS[name](world, **said)
    return {"said": await answer if hasattr(answer, "__await__") else answer}


async def reset(app: FastAPI) -> None:
    """End all that runs and begin with a new world; tokens stay good."""
    old: World = app.state.world
    app.state.world = World(folder=old.folder / "next", tokens=old.tokens)
    await old.close()


@order
def settings(world: World, **said: Any) -> None:
    """Change the pace."""
    for key, value in said.items():
        if not hasattr(world.settings, key):
            raise ArmError(400, "BadRequest", f"There is no setting '{key}'.")
        setattr(world.settings, key, value)


@order
def fault(world: World, **said: Any) -> None:
    """Let a fault befall the next requests of a pattern."""
    world.faults.coming.append(Fault(**said))


@order
def clear_faults(world: World) -> None:
    """Let no more faults come."""
    world.faults.coming.clear()


@order
def asked(world: World) -> list[str]:
    """Return the requests that came."""
    return world.faults.asked


@order
def agents(world: World) -> list[str]:
    """Return who asked, as their user agents say."""
    return sorted(world.faults.agents)


@order
def count(world: World, pattern: str) -> int:
    """Return how many requests matched a pattern."""
    return world.faults.count(pattern)


@order
def starts(world: World) -> dict[str, int]:
    """Return how many processes were started, by name."""
    return dict(world.starts)


@order
def tokens(world: World) -> int:
    """Return how many tokens were handed out."""
    return world.tokens.issued


@order
def expire_tokens(world: World) -> None:
    """Let all tokens be past their time."""
    world.tokens.expire()


@order
def revoke_tokens(world: World) -> None:
    """Take all tokens back, with a claims challenge."""
    world.tokens.revoke()


@order
def refuse(world: World, region: str, code: str, message: str) -> None:
    """Let a region refuse what is to run there."""
    world.refusals[region] = (code, message)


@order
def accept(world: World, region: str) -> None:
    """Let a region refuse no more."""
    world.refusals.pop(region, None)


@order
def unregister(world: World, namespace: str) -> None:
    """Let the subscription not have registered a provider."""
    world.unregistered.add(namespace.lower())


@order
def quota(world: World, region: str, family: str, used: int, limit: int) -> None:
    """Set a quota, in vCPUs."""
    world.quotas[region, family] = (used, limit)


@order
def job(world: World, name: str) -> dict[str, Any]:
    """Return what the stand-in knows of an AML job."""
    found = _job(world, name)
    return {
        "status": found.status,
        "seen": found.seen,
        "tries": found.tries,
        "pid": found.running.pid,
        "error": found.error,
        "log": str(found.running.log),
        "folder": str(found.folder),
    }


@order
async def lose_job(world: World, name: str, how: str, grace_s: float | None) -> None:
    """Take a running job's spot machine away."""
    found = _job(world, name)
    if found.running.pid is None:
        raise ArmError(409, "Conflict", f"Job '{name}' has no process.")
    await lose(found, how, grace_s)


@order
def energy(world: World, run: str, points: list[tuple[str, float]]) -> None:
    """Set a run's GPU energy by minute."""
    world.metrics[run] = [(datetime.fromisoformat(at), joules) for at, joules in points]


@order
def emissions(world: World, rows: list[dict[str, Any]], denied: list[str]) -> None:
    """Set what Carbon Optimization knows, and who may not see it."""
    world.emissions = [Emission(**{"subscription": SUBSCRIPTION} | row) for row in rows]
    world.denied = set(denied)


@order
def prices(world: World, items: list[dict[str, Any]] | None) -> None:
    """Set the price list; None is the default one."""
    world.prices = items


@order
def add_group(world: World, name: str, location: str) -> None:
    """Keep a resource group."""
    world.add_group(SUBSCRIPTION, name, location)


@order
def add_workspace(world: World, group: str, name: str, location: str) -> None:
    """Keep a workspace."""
    world.add_workspace(SUBSCRIPTION, group, name, location)


@order
def add_compute(world: World, workspace: str, name: str) -> None:
    """Keep a cluster."""
    world.computes.add((workspace.lower(), name.lower()))


@order
def sas(world: World, *, base: str, container: str, name: str, may: str, life_s: float) -> str:
    """Return a URL for one blob."""
    return world.blobs.sas(base, container, name, may, timedelta(seconds=life_s))


def _job(world: World, name: str) -> Job:
    found = [job for job in world.jobs.values() if job.name == name]
    if not found:
        raise ArmError(404, "NotFound", f"There is no job '{name}'.")
    return found[-1]
