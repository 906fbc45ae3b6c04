"""The carbon page in the UI of a real Airflow, in a real browser."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from browser import browser, chromium
from seeding import BENT, HOSTILE, entry, intervals

from airflow_carbon import clock
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.operators.page_link import run_query

pytestmark = pytest.mark.trial

PICTURES = Path(__file__).parents[2] / ".artefacts" / "page"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def chrome():
    if chromium() is None:
        said = "NO CHROMIUM: the carbon page was not looked at; apt-get install chromium"
        warnings.warn(said, stacklevel=1)
        pytest.skip(said)
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def booked(airflow):
    """A run with its intervals, and one whose names are out to get the page."""
    now = clock.now()
    run = entry(now, key=RunKey(dag_id="page_train", task_id="train", run_id="manual__1"))
    hostile = RunKey(dag_id=HOSTILE, task_id=BENT, run_id=HOSTILE)
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        ledger.write(run, list(intervals(run, every_s=60)))
        ledger.write(entry(now, key=hostile, model=HOSTILE))
    return run


class Visit:
    """A page that writes down what it asks for and what goes wrong in it."""

    def __init__(self, context, airflow):
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.asked, self.wrong = [], []
        self.page.on("request", lambda one: self.asked.append(one.url))
        self.page.on("pageerror", lambda one: self.wrong.append(str(one)))
        self.page.on("console", self._heard)
        self.url = airflow.url

    def _heard(self, message):
        # plotly tries one inline style, which the policy stops: nothing is the worse for it.
        is_plotlys = "Applying inline style" in message.text and "plotly" in str(message.location)
        if message.type == "error" and "/carbon/" in str(message.location) and not is_plotlys:
            self.wrong.append(message.text)

    def elsewhere(self):
        return [url for url in self.asked if not url.startswith((self.url, "data:", "blob:"))]

    def picture(self, name, *, whole=True):
        PICTURES.mkdir(parents=True, exist_ok=True)
        file = PICTURES / f"{name}.png"
        self.page.screenshot(path=file, full_page=whole, caret="initial")
        sys.stdout.write(f"picture: {file}\n")


def test_the_page_stands_in_airflows_navigation_and_draws_a_wait(airflow, valley, chrome, booked):
    valley(after_s=900, conn_id="page_grid")
    run_id = airflow.trigger("page_waits")
    airflow.until(
        lambda: airflow.task_instances("page_waits", run_id)[0]["state"] == "deferred",
        60,
        "the wait does not stand",
    )
    context = chrome.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
    visit = Visit(context, airflow)
    visit.page.goto(airflow.url)
    visit.page.get_by_role("link", name="Carbon").click()
    frame = visit.page.frame_locator("iframe")
    frame.get_by_role("heading", name="Now and the next 48 hours").wait_for()
    row = frame.locator("tr", has_text="until_it_is_clean")
    row.locator("[data-window]", has_text="50 gCO").wait_for()
    zone = frame.locator("[data-zone=TRIAL] [data-drawn]")
    zone.locator("svg").first.wait_for()
    visit.picture("airflow-now-light", whole=False)

    row.get_by_role("link", name="page_waits").click()
    visit.page.wait_for_url("**/dags/page_waits**")

    link = run_query(
        dag_id="page_train", task_id="train", run_id="manual__1", map_index=-1, try_number=1
    )
    visit.page.goto(f"{airflow.url}/plugin/carbon/carbon/run?{link}")
    frame.get_by_role("heading", name="train", exact=True).wait_for()
    frame.locator("[data-plot=run][data-drawn]").wait_for()
    visit.picture("airflow-run-light", whole=False)
    assert visit.elsewhere() == []
    assert visit.wrong == []
    context.close()


def test_the_page_is_read_in_the_dark_on_a_phone_and_by_keyboard(airflow, chrome, booked):
    for name, size, scheme in (("dark", (1280, 860), "dark"), ("phone", (360, 740), "light")):
        width, height = size
        context = chrome.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        visit = Visit(context, airflow)
        for path in ("", "accounts", "months", "promises", "budgets", "regions"):
            visit.page.goto(f"{airflow.url}/carbon/{path}")
            for plot in visit.page.locator("[data-from]").all():
                plot.and_(visit.page.locator("[data-drawn]")).wait_for()
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            assert visit.page.evaluate("document.documentElement.dataset.theme") == scheme
            assert visit.page.title() != "owned"
            visit.picture(f"{path or 'now'}-{name}")
        assert visit.page.locator("main h1").count() == 1
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.className") == "skip"
        visit.page.goto(f"{airflow.url}/carbon/accounts?by=dag")
        assert visit.page.get_by_text(HOSTILE, exact=True).count() >= 1
        assert visit.page.locator("main img").count() == 0
        assert visit.elsewhere() == []
        assert visit.wrong == []
        context.close()
