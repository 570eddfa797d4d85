"""Memory of a flood that goes back once it is over: when, and that it does."""

import ctypes
import os

import pytest

from mycelium.daemon import spare_memory
from mycelium.daemon.process import resident_bytes
from mycelium.daemon.spare_memory import FLOODED, LOOK_EVERY_S, QUIET, SpareMemory
from mycelium.huge_pages import Area

FLOOD_S, LITTLE_S, REST_S = (share * LOOK_EVERY_S for share in (1.1 * FLOODED, (FLOODED + QUIET) / 2, 0.9 * QUIET))


@pytest.mark.parametrize(
    ("used", "due"),
    [
        ([REST_S, REST_S, LITTLE_S, REST_S], [False] * 4),
        ([FLOOD_S, FLOOD_S, REST_S, REST_S], [False, False, True, False]),
        ([FLOOD_S, LITTLE_S, LITTLE_S, REST_S, FLOOD_S, REST_S], [False, False, False, True, False, True]),
    ],
)
def test_it_is_due_once_after_each_flood(used: list[float], due: list[bool]) -> None:
    spare, used_s = SpareMemory([], used_s=100.0), 100.0
    told = []
    for more_s in used:
        used_s += more_s
        told.append(spare.is_due(used_s))
    assert told == due


def test_what_was_freed_between_what_stays_is_given_back() -> None:
    spare = SpareMemory([], used_s=0.0)
    if spare._trim is None:
        pytest.skip("not the GNU C library")
    pieces = [os.urandom(60_000) for _ in range(1_000)]
    full = resident_bytes()
    del pieces[::2]
    spare.give_back()
    assert full - resident_bytes() > 20_000_000
    assert len({len(piece) for piece in pieces}) == 1


def test_what_lay_in_huge_pages_lies_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Area] = []
    monkeypatch.setattr(spare_memory, "collapse", asked.extend)
    SpareMemory([(4096, 8192)], used_s=0.0).give_back()
    assert asked == ([(4096, 8192)] if hasattr(ctypes.CDLL(None), "malloc_trim") else [])
