"""The epoch of a start: larger than that of any start before, also when the clock was set back or reads nonsense.

It is kept beside the key. Where that fails, the clock alone decides, and a node whose clock is set back meanwhile is reached
some seconds later: others know a newer sequence of it, which it jumps past once it hears of it (`routing.origin`).
"""

import logging
import os
import time
from pathlib import Path
from typing import Final

from mycelium.admin.keyfile import epoch_path
from mycelium.admin.state_file import read_state, write_state
from mycelium.errors import LocalError

log = logging.getLogger("mycelium")

EPOCH_LIMIT: Final = 0xFFFF_0000


def next_epoch(key_file: Path) -> int:
    """Returns the epoch for this start, the clock's seconds or one more than the last, and keeps it beside the key."""
    kept = epoch_path(key_file)
    epoch = min(max(int(time.time()), _last(kept) + 1), EPOCH_LIMIT)
    try:
        write_state(kept, f"{epoch}\n".encode())
    except OSError as error:
        log.warning(
            "cannot note the time of this start in %s: %s; should the clock be set back before the next start, "
            "others will reach this node some seconds later than usual",
            *(kept, error.strerror),
        )
    return epoch


def _last(kept: Path) -> int:
    """Returns the epoch of the last start; 0 for none that can be read, or that can't have been written here."""
    if not os.path.lexists(kept):
        return 0
    try:
        state = read_state(kept, error=LocalError)
    except LocalError as error:
        log.warning("the time of the last start is not known: %s", error)
        return 0
    digits = state.content.strip()
    if not digits.isdigit() or int(digits) >= EPOCH_LIMIT:
        log.warning("the time of the last start is not known: %s", state.misfit())
        return 0
    return int(digits)
