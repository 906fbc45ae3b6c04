"""A headless Chromium, where the machine has one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium():
    """Return where it is; None where it is not."""
    return (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )


@contextmanager
def browser():
    """A browser that talks to nobody but the page."""
    with sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=chromium(), args=list(QUIET))
        try:
            yield one
        finally:
            one.close()
