"""For how long pings stay unanswered when something happens."""

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.lab.namespaces import LabHost
from tests.lab.ping import PingResult, Pings, answers, ping
from tests.lab.waiting import wait_until

ANSWERED_IN_A_ROW: Final = 20  # enough to call it healed
REST_PINGS: Final = 50


def watch(
    host: LabHost, address: str, act: Callable[[], object], *, seconds: float, rest_pings: int = REST_PINGS
) -> PingResult:
    """Pings every 10 ms before, during and after `act`, until pings in a row are answered again, within `seconds`.

    `rest_pings` go before and after.
    """
    is_answered = partial(answers, host, address, count=ANSWERED_IN_A_ROW)
    wait_until(is_answered, seconds, f"pings from {host.name} are answered before")
    with Pings(host, address) as pings:
        ping(host, address, count=rest_pings, interval=pings.interval)
        act()
        wait_until(is_answered, seconds, f"pings from {host.name} are answered again")
        ping(host, address, count=rest_pings, interval=pings.interval)
        return pings.finish()
