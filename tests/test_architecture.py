"""ARCHITECTURE.md against the tree: every file and folder that it names is there, every room is in its table."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
TEXT: Final = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PLACES: Final = sorted(set(re.findall(r"`((?:\w+/)*\w+(?:/|\.py))`", TEXT)))
ROOMS: Final = [path for path in (ROOT / "mycelium").iterdir() if (path / "__init__.py").exists()]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_that_is_named_exists(place: str) -> None:
    assert any((base / place).exists() for base in (ROOT, ROOT / "mycelium")), place


@pytest.mark.parametrize("file", sorted(set(re.findall(r"\b(\w+\.py)\b", TEXT))))
def test_each_file_that_is_named_exists(file: str) -> None:
    assert any(ROOT.glob(f"mycelium/**/{file}")) or any(ROOT.glob(f"sim/**/{file}")) or (ROOT / "tests" / file).exists()


@pytest.mark.parametrize("room", sorted(path.name for path in ROOMS))
def test_each_room_is_described(room: str) -> None:
    assert f"`{room}/`" in TEXT
