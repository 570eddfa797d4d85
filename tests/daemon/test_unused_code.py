"""Code that leaves memory: which areas, and that what is called comes back."""

import hashlib
from pathlib import Path

import pytest

from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon import unused_code
from mycelium.daemon.process import resident_bytes
from mycelium.daemon.unused_code import forget_code

AREAS = """\
00400000-00600000 r-xp 00000000 fe:00 9                                  /usr/bin/python3.11
00600000-00800000 r--p 00200000 fe:00 9                                  /usr/bin/python3.11
00800000-00a00000 rw-p 00400000 fe:00 9                                  /usr/bin/python3.11
00a00000-00c00000 rwxp 00000000 fe:00 10                                 /usr/lib/patched.so
00c00000-00e00000 r-xp 00000000 00:00 0
00e00000-01000000 r-xp 00000000 00:00 0                                  [vdso]
01000000-01200000 r-xp 00010000 fe:00 11                                 /usr/lib/library.so (deleted)
"""


def test_only_code_that_lies_in_a_file_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(start: int, length: int, advice: int) -> int:
        asked.append((start, length))
        return -1

    monkeypatch.setattr(unused_code, "_madvise", refuse)
    maps = tmp_path / "maps"
    maps.write_text(AREAS)
    assert forget_code(maps) == 0, "this kernel refuses"
    assert asked == [(0x400000, 0x200000), (0x1000000, 0x200000)]


def test_what_is_called_afterwards_comes_back() -> None:
    def work() -> tuple[str, bytes]:
        public = RealPrimitives().public_of(bytes(32))
        return hashlib.sha512(public).hexdigest(), RealPrimitives().exchange(bytes(32), public)

    before, full = work(), resident_bytes()
    assert forget_code() > 10
    assert resident_bytes() < full - (1 << 20)
    assert work() == before


def test_a_host_that_hides_its_areas_of_memory_is_left_alone(tmp_path: Path) -> None:
    assert forget_code(tmp_path / "nothing") == 0
