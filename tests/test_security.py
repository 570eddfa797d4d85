"""SECURITY.md against the repository: each promise has what shows it, and what it names exists."""

import re
from pathlib import Path

from tests.hostile.acts import ACTS
from tests.prove.promises import LEMMAS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text()
PROMISES = [
    " ".join(one.split())
    for one in re.findall(
        r"^\d+\. \*\*.*?(?=^\d+\. \*\*|^#|\Z)", TEXT.partition("## What the attacks show")[0], re.M | re.S
    )
]
ATTACKS = {*ACTS, "call the API"}


def named(kind: str, promise: str) -> list[str]:
    """Returns what stands behind a word: attack(s) `a`, `b`."""
    lists = re.findall(rf"\b{kind}s? ((?:`[^`]+`(?:, )?)+)", promise, re.I)
    return [name for one in lists for name in re.findall(r"`([^`]+)`", one) if not name.startswith("tests/")]


def test_promises_are_numbered_in_order_and_each_has_what_shows_it() -> None:
    assert [int(one.partition(".")[0]) for one in PROMISES] == list(range(1, len(PROMISES) + 1))
    assert len(PROMISES) >= 30
    assert [one for one in PROMISES if not re.search(r"`tests/[\w/]+\.py`", one)] == []


def test_tests_that_are_named_exist() -> None:
    assert [path for path in re.findall(r"`(tests/[\w/]+(?:\.py|/))`", TEXT) if not (ROOT / path).exists()] == []


def test_attacks_and_lemmas_that_are_named_exist() -> None:
    attacks = [name for one in PROMISES for name in named("attack", one)]
    lemmas = [name for one in PROMISES for name in named("lemma", one)]
    assert [name for name in attacks if name not in ATTACKS] == []
    assert sorted(lemmas) == sorted(LEMMAS), "each lemma belongs to a promise"
    assert len(attacks) > 10
