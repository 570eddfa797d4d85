"""Huge pages: which areas of memory are moved into them, and that nothing in them changes."""

import ctypes
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path

import pytest

from mycelium import huge_pages
from mycelium.huge_pages import HUGE_BYTES, collapse, collapse_memory

AREAS = """\
001ff000-00800000 rw-p 00000000 00:00 0                                  [heap]
00a00000-00c00000 rw-p 00000000 00:00 0
00c00000-00e00000 rw-p 00000000 00:00 0 [anon:arena]
00e00000-00fff000 rw-p 00000000 00:00 0
01000000-01200000 r--p 00000000 00:00 0
01200000-01400000 rw-s 00000000 00:01 7                                  /dev/zero (deleted)
01400000-01600000 rw-p 00200000 fe:00 9                                  /usr/lib/library.so
01600000-01800000 rw-p 00000000 00:00 0                                  [stack]
"""


def test_whole_huge_pages_of_private_data_are_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(start: int, length: int, advice: int) -> int:
        asked.append((start, length))
        return -1

    monkeypatch.setattr(huge_pages, "madvise", refuse)
    maps = tmp_path / "maps"
    maps.write_bytes(AREAS.encode().replace(b"library", b"librairi\xe9"))
    assert collapse_memory(maps) == [], "this kernel can't"
    assert asked == [(0x200000, 0x600000), (0xA00000, HUGE_BYTES), (0xC00000, HUGE_BYTES)]


def test_what_is_moved_stays_as_it_is(tmp_path: Path) -> None:
    memory = mmap(-1, 4 * HUGE_BYTES, MAP_PRIVATE | MAP_ANONYMOUS)
    memory[::4096] = content = bytes(number % 251 for number in range(len(memory) // 4096))
    view = ctypes.c_char.from_buffer(memory)
    start = ctypes.addressof(view)
    (tmp_path / "maps").write_text(f"{start:x}-{start + len(memory):x} rw-p 00000000 00:00 0 \n")
    moved = collapse_memory(tmp_path / "maps")
    assert sum(length for _, length in moved) in (0, 3 * HUGE_BYTES, 4 * HUGE_BYTES)
    assert collapse(moved) == moved, "again changes nothing"
    assert memory[::4096] == content
    del view
    memory.close()


def test_a_host_that_hides_its_areas_of_memory_is_left_alone(tmp_path: Path) -> None:
    assert collapse_memory(tmp_path / "nothing") == []
