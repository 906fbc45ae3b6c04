"""How long a test waits for what another process does: until it surely hangs.

A machine may be twenty times slower than another, so no test counts seconds, except where it
gives up.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

HANGS_S = 60.0


def until(holds, patience_s=HANGS_S):
    """Return what holds as soon as it does; give up when it hangs."""
    late = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < late, f"not after {patience_s:g} s"
        time.sleep(0.02)
    return found


def first_event(trigger, patience_s=HANGS_S):
    """Return what a trigger fires with at once, None where it sleeps to a later instant."""

    async def first():
        async with aclosing(trigger.run()) as events, asyncio.timeout(patience_s):
            fired = asyncio.ensure_future(anext(events))
            while not fired.done():
                if _sleeps(events):
                    fired.cancel()
                    await asyncio.wait([fired])
                    return None
                await asyncio.sleep(0.01)
            return await fired

    return asyncio.run(first())


def _sleeps(events):
    """Say whether what the generator awaits is, at some depth, the clock."""
    waits = events.ag_await
    while waits is not None:
        if getattr(getattr(waits, "cr_code", None), "co_name", None) == "sleep_until":
            return waits.cr_await is not None
        waits = getattr(waits, "cr_await", None)
    return False
