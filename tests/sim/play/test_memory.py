"""Memory of a run: the collector is off meanwhile, and memory is moved into huge pages as it grows."""

import gc
import resource
from types import SimpleNamespace

import pytest

from sim.play import memory
from sim.play.memory import CollectorOff, HugePages


def test_the_collector_is_off_during_a_run_and_as_it_was_afterwards() -> None:
    assert gc.isenabled()
    with CollectorOff():
        assert not gc.isenabled()
        with CollectorOff():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_memory_is_moved_whenever_there_is_half_as_much_again(monkeypatch: pytest.MonkeyPatch) -> None:
    used_kib, moved = 0, 0

    def move() -> None:
        nonlocal moved
        moved += 1

    monkeypatch.setattr(memory, "collapse_memory", move)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=used_kib))
    pages = HugePages()
    seen = []
    for mib in (127, 128, 191, 192, 287, 288):
        used_kib = mib << 10
        pages.look()
        seen.append(moved)
    assert seen == [0, 1, 1, 2, 2, 3]
