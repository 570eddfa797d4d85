"""A daemon that drops what it should forward, from SIGUSR2 on; it takes the options of any daemon."""

import signal
import sys
from types import FrameType
from typing import Any

from mycelium.cli.main import main
from mycelium.dataplane.receiving import Receiving
from mycelium.link.link import Link


def drop_from_now_on(number: int, frame: FrameType | None) -> None:
    """Has every node of this process drop trains of others, without an error."""
    Receiving._next_link = _drop  # type: ignore[method-assign]


def _drop(self: Receiving, header: Any, *_: object, **__: object) -> Link | None:
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, drop_from_now_on)
    sys.exit(main())
