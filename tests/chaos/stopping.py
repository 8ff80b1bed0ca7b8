"""A SIGTERM while Twilio is making a key: the key is issued, its secret shown, and then the portal stops."""

import time
from concurrent.futures import ThreadPoolExecutor

from .figures import Figures
from .settling import settle_for_good
from .world import World

PATIENT = {"PORTAL_TWILIO_READ_TIMEOUT": "10", "PORTAL_TWILIO_DEADLINE": "15"}
HANG_SECONDS = 1.5


def run_stop(world: World) -> Figures:
    """Start the world with `PATIENT`."""
    figures = Figures("stop", cases=1)
    request_id = world.approved_request("stop")
    world.standin.fault("hang", seconds=HANG_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        press = pool.submit(world.issue, request_id)
        while not world.standin.truth()["keys"]:
            time.sleep(0.02)
        world.portal.ask_to_stop()
        seen = press.result()
    status = world.portal.wait(60)
    if not seen.secret or status != 0:
        figures.unaccounted.append(f"answer {seen.status}, exit status {status}: the issue was cut off")
    figures.add(settle_for_good(world))
    return figures
