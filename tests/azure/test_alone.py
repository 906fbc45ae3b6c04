"""Two or three launch in the same moment, in every order of their steps: one job is left alive.

The world here is in memory, so that each question to Azure is one step, and whose step is next is
chosen: every way to let two proceed with few changes between them, and by chance beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations, product
from types import SimpleNamespace

import pytest
from greenlet import getcurrent, greenlet
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.azure.arm import Arm, Ask
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.job import CREATED, JobView, State, Work
from airflow_carbon.azure.launch import launch, other

START = datetime(2026, 1, 1, tzinfo=UTC)
LOST, BUSY = SimpleNamespace(), "SkuNotAvailable"


@dataclass
class World:
    """Regions with jobs by name; what is asked takes a moment each, and a clock counts them.

    ``late``: regions that take a job, and fail it at the next step for want of room; ``full``:
    those that refuse it at once, for as many times.
    """

    late: frozenset[str] = frozenset()
    full: dict[str, int] = field(default_factory=dict)
    jobs: dict[tuple[str, str], JobView] = field(default_factory=dict)
    step: int = 0

    def tick(self):
        self.step += 1
        for key, view in self.jobs.items():
            if key[0] in self.late and view.state is State.PENDING and view.said != CREATED:
                self.jobs[key] = replace(view, state=State.FAILED, code=BUSY, message="no room")

    def refuse(self, region):
        if self.full.get(region, 0) > 0:
            self.full[region] -= 1
            raise AzureRefusedError(BUSY, "no room", 409)

    def alive(self):
        return [key for key, view in self.jobs.items() if view.is_alive]


@dataclass(frozen=True)
class Place:
    """A target in that world; ``starts`` is what Container Apps do: create, then start."""

    world: World = field(repr=False)
    region: str = ""
    starts: bool = False

    def _ask(self, act):
        return Ask(method="", path="", api_version="", read=lambda _: act())

    def submit(self, subscription, name, work):
        return self._ask(partial(self._create, name))

    def _create(self, name):
        if not self.starts:
            self.world.refuse(self.region)
        key = self.region, name
        there = self.world.jobs.get(key)
        if there:
            return there
        said = CREATED if self.starts else "Queued"
        at = START + timedelta(seconds=self.world.step)
        view = JobView(resource=name, state=State.PENDING, said=said, created_at=at)
        self.world.jobs[key] = view
        return replace(view, is_new=True)

    def start(self, subscription, name):
        return self._ask(partial(self._begin, name)) if self.starts else None

    def _begin(self, name):
        self.world.refuse(self.region)
        at = START + timedelta(seconds=self.world.step)
        view = replace(self.world.jobs[self.region, name], said="Running", created_at=at)
        self.world.jobs[self.region, name] = view
        return view

    def look(self, subscription, name):
        def see():
            if (self.region, name) not in self.world.jobs:
                raise AzureRefusedError("ResourceNotFound", "none", 404)
            return self.world.jobs[self.region, name]

        return self._ask(see)

    def cancel(self, subscription, name, part):
        def end():
            view = self.world.jobs[self.region, name]
            if view.has_failed:
                raise AzureRefusedError("JobHasEnded", "too late", 409)
            self.world.jobs[self.region, name] = replace(view, state=State.CANCELLED)

        return self._ask(end)


class Stepped(Arm):
    """Asks a world, and lets the others go on before each question."""

    def __init__(self, world):
        self.world, self.login = world, SimpleNamespace(subscription_id="s")

    def send(self, ask):
        getcurrent().parent.switch()
        self.world.tick()
        try:
            return ask.read(None)
        except AzureRefusedError as refusal:
            if ask.refused is None:
                raise
            return ask.refused(refusal)


def name_of(attempt):
    return f"carbon-x-{attempt}"


def trained(world, order, *, starts):
    """Launch, and attend for a while, as the task and its trigger do between them."""
    arm, skipped = Stepped(world), set()
    places = [Place(world, region, starts) for region in order]
    pause = lambda _: getcurrent().parent.switch()  # noqa: E731
    launched = None
    while True:
        if launched is None:
            targets = [one for one in places if one.region not in skipped]
            others = [one for one in places if one.region in skipped]
            work = Work(command="true")
            launched = launch(arm, targets, name_of, work, others=others, pause=pause)
        pause(0)
        world.tick()
        view = world.jobs[launched.target.region, launched.name]
        if view.is_alive:
            return launched
        if view.code == BUSY:
            skipped.add(launched.target.region)
            launched = None
            continue
        launched = other(arm, places, name_of)
        if launched is None:
            return None


def raced(world, orders, schedule, *, dies=None, starts=False):
    """Let launchers that prefer their own order of regions proceed step by step; return results.

    ``dies``: who is never heard of again, and after how many steps.
    """
    results: dict[int, object] = {}

    def one(number, order):
        try:
            results[number] = trained(world, order, starts=starts)
        except AzureRefusedError as exc:
            results[number] = exc

    running = [greenlet(partial(one, number, order)) for number, order in enumerate(orders)]
    taken = [0] * len(orders)
    turns = iter(schedule)
    while any(not thread.dead for thread in running):
        wanted = next(turns, None)
        free = [i for i, thread in enumerate(running) if not thread.dead]
        number = wanted if wanted in free else free[0]
        if dies == (number, taken[number]):
            running[number].throw()
            results[number] = LOST
            continue
        taken[number] += 1
        running[number].switch()
    return results


def check(world, results):
    """One job is alive, and it is the one that everybody took for the training."""
    found = [one for one in results.values() if one is not LOST]
    assert not [one for one in found if isinstance(one, Exception)]
    (left,) = world.alive()
    return left, {(one.target.region, one.name) for one in found}


def few_switches(steps, switches):
    """Every schedule of two that changes from one to the other a few times."""
    for cuts in combinations(range(1, steps), switches):
        edges = [0, *cuts, steps]
        turns = []
        for i in range(len(edges) - 1):
            turns += [i % 2] * (edges[i + 1] - edges[i])
        yield turns


ORDERS = [(("a", "b"), ("a", "b")), (("a", "b"), ("b", "a"))]


@pytest.mark.parametrize("orders", ORDERS)
@pytest.mark.parametrize("late", ["", "a", "b"])
def test_two_at_once_leave_one_job_in_whatever_order_their_steps_come(orders, late):
    for turns in few_switches(17, 3):
        world = World(late=frozenset(late))
        left, taken = check(world, raced(world, orders, turns))
        assert left[0] != late
        assert left in taken


@pytest.mark.parametrize("orders", ORDERS)
def test_all_who_see_that_a_region_had_no_room_go_to_the_same_one_as_the_same_attempt(orders):
    for turns in few_switches(20, 2):
        world = World(late=frozenset("a"))
        failed = JobView(resource="r", state=State.FAILED, said="Failed", code=BUSY, message="no")
        world.jobs["a", name_of(1)] = failed
        left, taken = check(world, raced(world, orders, turns))
        assert set(world.jobs) == {("a", name_of(1)), ("b", name_of(2))}
        assert taken == {left}


@pytest.mark.parametrize("orders", ORDERS)
def test_a_region_that_refuses_one_of_two_leaves_one_job(orders):
    for turns, full in product(few_switches(20, 2), "ab"):
        world = World(full={full: 1})
        left, taken = check(world, raced(world, orders, turns))
        assert left in taken


@given(
    st.lists(st.integers(0, 2), max_size=120),
    st.sampled_from(["", "a", "b", "ab"]),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    st.permutations("abc"),
    st.none() | st.tuples(st.integers(0, 2), st.integers(0, 30)),
)
@settings(max_examples=150)
def test_three_at_once_of_whom_one_may_die_leave_one_job_once_somebody_looks(
    schedule, late, full, order, dies
):
    world = World(late=frozenset(late), full=dict(full))
    orders = [("a", "b", "c"), tuple(order), ("c", "b", "a")]
    raced(world, orders, schedule, dies=dies)

    raced(world, [("a", "b", "c")], [])  # the next try, or the trigger's first look

    assert len(world.alive()) <= 1
    if not late and not any(full.values()):
        assert len(world.alive()) == 1


@given(st.lists(st.integers(0, 1), max_size=200))
@settings(max_examples=100)
def test_two_who_create_before_they_start_leave_one_job(schedule):
    world = World(full={"a": 1})
    results = raced(world, [("a", "b"), ("b", "a")], schedule, starts=True)
    left, taken = check(world, results)
    assert left in taken
