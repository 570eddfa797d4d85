"""What shows that a machine was copied while it ran, and what does not."""

import asyncio
from typing import Any
from unittest.mock import Mock

from mycelium.daemon.copies import SET_FORWARD_S, ClockSteps, CopyWatch, clock_offset_s, is_news_of_copy

NEWS = b"change@/devices/LNXSYSTM:00/VMGENCTR:00\0ACTION=change\0SUBSYSTEM=platform\0NEW_VMGENID=1\0SEQNUM=9\0"
OTHER = b"add@/devices/virtual/net/tun0\0ACTION=add\0INTERFACE=NEW_VMGENID=1\0"


class Events:
    """Stands in for the socket on which events of the kernel are heard."""

    def __init__(self, *events: tuple[bytes, int] | OSError) -> None:
        self.events = list(events)

    def recvfrom(self, _: int) -> tuple[bytes, tuple[int, int]]:
        if not self.events:
            raise BlockingIOError
        event = self.events.pop(0)
        if isinstance(event, OSError):
            raise event
        return event[0], (event[1], 1)


def told(*events: tuple[bytes, int] | OSError) -> int:
    """Returns how often these events tell that the machine is a copy."""
    heard: list[None] = []
    loop: Any = Mock()
    watch = CopyWatch(loop, lambda: heard.append(None))
    watch.close()
    stand_in: Any = Events(*events)
    watch._events = stand_in
    while stand_in.events:
        watch._on_readable()
    return len(heard)


def test_the_kernel_tells_of_another_generation_and_nobody_else_can() -> None:
    assert is_news_of_copy(NEWS)
    assert not is_news_of_copy(OTHER)
    assert told((OTHER, 0), (NEWS, 0)) == 1
    assert told((NEWS, 4_711)) == 0


def test_events_that_were_too_many_lose_none_of_those_that_are_there() -> None:
    assert told(OSError(105, "No buffer space available"), (NEWS, 0)) == 1


def test_a_real_socket_is_listened_to_until_it_is_closed() -> None:
    async def listen() -> None:
        CopyWatch(asyncio.get_running_loop(), lambda: None).close()

    asyncio.run(listen())


def test_a_clock_that_is_set_forward_is_told_once() -> None:
    steps = ClockSteps(1_000.0)
    assert not steps.was_set_forward(1_000.0 + SET_FORWARD_S)
    assert steps.was_set_forward(2_000.0)
    assert not steps.was_set_forward(2_000.0)
    assert not steps.was_set_forward(500.0)  # set back


def test_clocks_that_nobody_sets_agree() -> None:
    assert not ClockSteps(clock_offset_s()).was_set_forward(clock_offset_s())
