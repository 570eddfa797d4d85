"""What `mycelium explain` prints, in situations that were recorded from nodes: golden files, and what no file may break."""

from pathlib import Path
from typing import Final

import msgspec
import pytest

from mycelium.admin.diagnosis import CandidateInfo, ExplanationInfo, FeasibilityInfo
from mycelium.cli.explanation import explanation_lines

GOLDEN: Final = Path(__file__).parent / "golden" / "explain"
SITUATIONS: Final = ("another_way", "suspected", "flapping")
NODE, NEAR, OTHER = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113", "4fc:47a4::1", "400:1::9"


def recorded(situation: str) -> ExplanationInfo:
    return msgspec.json.decode((GOLDEN / f"{situation}.json").read_bytes(), type=ExplanationInfo)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_recorded_situation_reads_as_it_did(situation: str) -> None:
    lines = explanation_lines(recorded(situation), room=80)
    assert "\n".join(lines) + "\n" == (GOLDEN / f"{situation}.txt").read_text()


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("room", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_address_is_cut(situation: str, room: int) -> None:
    found = recorded(situation)
    lines = explanation_lines(found, room=room)
    assert max(map(len, lines)) <= room
    words = " ".join(lines).split()
    assert {one.next_hop for one in found.candidates} <= set(words)


def test_a_pipe_gets_one_line_for_each_candidate() -> None:
    found = recorded("another_way")
    lines = explanation_lines(found, room=None)
    assert [sum(line.startswith(one.next_hop) for line in lines) for one in found.candidates] == [1] * len(
        found.candidates
    )


def why(**fields: object) -> str:
    """Returns what is said of one candidate, of which there is nothing special but these fields."""
    given = {
        "next_hop": NEAR,
        "verdict": "chosen",
        "link_cost": 100,
        "advertised": 900,
        "cost": 1_000,
        "sequence": 5,
        "feasible": True,
    } | fields
    found = ExplanationInfo(
        node=NODE,
        next_hop=OTHER,
        cost=1_000,
        chosen_s=5.0,
        feasibility=FeasibilityInfo(5, 800),
        requesting=True,
        candidates=[CandidateInfo(**given)],  # type: ignore[arg-type]
        changes=[],
    )
    return explanation_lines(found, room=None)[3].split(maxsplit=4)[4]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "chosen"),
        (
            {"feasible": False},
            "kept, though it advertises 9.00, which is not below 8.00; its node is asked for a newer sequence",
        ),
        ({"verdict": "longer", "cost": 1_250}, "2.50 longer"),
        ({"verdict": "longer"}, "as long as the chosen one"),
        ({"verdict": "longer", "cost": None}, "too long to be used"),
        (
            {"verdict": "unfeasible", "feasible": False, "sequence": 4},
            "it might lead back here: its route is of sequence 4, older than 5; its node is asked for a newer sequence",
        ),
        ({"verdict": "suspected"}, "it does not answer at present"),
        ({"verdict": "retracted"}, "it has no route there any more"),
        (
            {"verdict": "avoided"},
            "what was sent there over it did not arrive: counts as 10 s longer, and is probed now and then",
        ),
        (
            {"verdict": "damped", "damped_s": 7.6},
            "its link has failed several times lately: counts as 10 s longer for 8 s more",
        ),
        (
            {"damped_s": 7.6},
            "chosen; its link has failed several times lately and counts as 10 s longer for 8 s more",
        ),
        (
            {"pending_link_cost": 90, "pending_s": 4.2},
            "chosen; its link measures 0.90 now, which counts if it lasts 4.2 s more",
        ),
        (
            {"pending_link_cost": 90, "pending_s": 0.0},
            "chosen; its link measures 0.90 now, which counts after some more measurements",
        ),
        ({"verdict": "of-a-newer-daemon"}, "of-a-newer-daemon"),
    ],
)
def test_each_verdict_has_its_words(fields: dict[str, object], said: str) -> None:
    assert why(**fields) == said
