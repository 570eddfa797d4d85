"""Memory of a start, or of a flood, that goes back once it is over: which, when, and that it does."""

import asyncio
import ctypes
import os
import threading
from mmap import MADV_DONTNEED, MAP_PRIVATE, PROT_READ, mmap
from pathlib import Path

import pytest

from mycelium.daemon import spare_memory
from mycelium.daemon.process import resident_bytes
from mycelium.daemon.spare_memory import FLOODED, LOOK_EVERY_S, QUIET, SpareMemory, forget_files
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


def test_the_event_loop_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spare, threads = SpareMemory([], used_s=0.0), []

    def trim(pad: int) -> None:
        threads.append(threading.current_thread())
        spare._trim = None

    monkeypatch.setattr(spare_memory, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(spare, "is_due", lambda used_s: True)
    spare._trim = trim
    asyncio.run(asyncio.wait_for(spare.run(), 60))
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


AREAS = """\
00400000-00402000 r-xp 00001000 fe:00 9                                  /usr/bin/program
Rss:                   8 kB
Anonymous:             0 kB
00402000-00403000 r-xp 00001000 fe:00 9                                  /usr/bin/with a breakpoint
Anonymous:             4 kB
00403000-00404000 r--p 00000000 fe:00 8                                  /usr/lib/library.so (deleted)
Anonymous:             0 kB
00404000-00405000 r--p 00004000 fe:00 8                                  /usr/lib/relocated.so
Anonymous:             4 kB
00405000-00406000 rw-p 00005000 fe:00 8                                  /usr/lib/library.so
Anonymous:             0 kB
00406000-00407000 r--s 00005000 fe:00 8                                  /usr/lib/shared
Anonymous:             0 kB
00407000-00408000 r-xp 00000000 00:00 0                                  [vdso]
Anonymous:             0 kB
"""


def test_what_a_process_has_not_changed_of_files_is_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(spare_memory, "madvise", lambda *area: asked.append(area))
    (tmp_path / "smaps").write_bytes(AREAS.encode().replace(b"with a", b"with \xe9"))
    forget_files(tmp_path / "smaps")
    assert asked == [(0x400000, 0x2000, MADV_DONTNEED), (0x403000, 0x1000, MADV_DONTNEED)]
    forget_files(tmp_path / "nothing")
    assert len(asked) == 2


def test_files_are_as_they_were_once_they_were_given_back(tmp_path: Path) -> None:
    file, size = tmp_path / "file", 40_000_000
    file.write_bytes(content := os.urandom(1_000) * (size // 1_000))
    with file.open("rb") as opened, mmap(opened.fileno(), size, flags=MAP_PRIVATE, prot=PROT_READ) as mapped:
        assert mapped[:] == content
        full = resident_bytes()
        forget_files()
        assert full - resident_bytes() > size // 2
        assert mapped[:] == content
