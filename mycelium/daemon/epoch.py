"""The epoch of a start: larger than that of any start before, also when the clock was set back or reads nonsense."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from mycelium.admin.keyfile import epoch_path
from mycelium.errors import IdentityError

EPOCH_LIMIT: Final = 0xFFFF_0000


def next_epoch(key_file: Path) -> int:
    """Returns the epoch for this start, the clock's seconds or one more than the last, and keeps it beside the key.

    Raises IdentityError where it can't be kept: without it a clock set back could lock this node out.
    """
    kept = epoch_path(key_file)
    last = 0
    with contextlib.suppress(OSError, ValueError):
        last = int(kept.read_text(encoding="ascii"))
    epoch = min(max(int(time.time()), last + 1), EPOCH_LIMIT)
    scratch = kept.with_name(kept.name + ".new")
    try:
        scratch.write_text(f"{epoch}\n", encoding="ascii")
        os.replace(scratch, kept)
    except OSError as error:
        raise IdentityError(f"{kept}: {error.strerror}") from error
    return epoch
