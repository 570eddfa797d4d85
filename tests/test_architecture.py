"""ARCHITECTURE.md, docs/experiments.md and docs/figures.md: what they name is there. Links of all documents lead somewhere.

Decisions stay short, and figures have a date and a command.
"""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
TEXT: Final = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
EXPERIMENTS: Final = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
FIGURES: Final = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
BOTH: Final = TEXT + EXPERIMENTS
PLACES: Final = sorted(set(re.findall(r"`((?:\w+/)*\w+(?:/|\.(?:py|c)))`", BOTH)))
ROOMS: Final = [path for path in (ROOT / "mycelium").iterdir() if (path / "__init__.py").exists()]
DECISIONS: Final = TEXT.partition("\n## Decisions\n")[2]
MOST_LINES: Final = 5  # of a decision; what it took to find is in docs/experiments.md
MOST_CHARACTERS: Final = 132
DOCUMENTS: Final = sorted(
    str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md")
)
LINK: Final = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")
SHORT_LINES: Final = (
    "README.md",
    "SECURITY.md",
    *(f"docs/{name}.md" for name in ("experiments", "figures", "joining", "limits", "running", "simulator")),
)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_that_is_named_exists(place: str) -> None:
    assert any((base / place).exists() for base in (ROOT, ROOT / "mycelium")), place


@pytest.mark.parametrize("file", sorted(set(re.findall(r"\b(\w+\.py)\b", BOTH))))
def test_each_file_that_is_named_exists(file: str) -> None:
    assert (
        any(ROOT.glob(f"mycelium/**/{file}")) or any(ROOT.glob(f"sim/**/{file}")) or any(ROOT.glob(f"tests/**/{file}"))
    )


@pytest.mark.parametrize("room", sorted(path.name for path in ROOMS))
def test_each_room_is_described(room: str) -> None:
    assert f"`{room}/`" in TEXT


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_link_leads_to_a_document_and_a_heading_of_it(document: str) -> None:
    path = ROOT / document
    for file, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        target = path.parent / file if file else path
        assert target.exists(), file
        assert not anchor or anchor in _anchors(target.read_text(encoding="utf-8")), (file, anchor)


def test_links_are_found_with_and_without_a_heading() -> None:
    text = "[a](docs/x.md), [b\nc](#here), ![d](y.png), [e](../z.md#there), [f](https://example.org/)"
    assert LINK.findall(text) == [("docs/x.md", ""), ("", "here"), ("y.png", ""), ("../z.md", "there")]


def test_decisions_are_short_and_under_headings() -> None:
    lines = DECISIONS.splitlines()
    assert [line for line in lines if len(line) > MOST_CHARACTERS] == []
    decisions = re.split(r"^(?=- |#)", DECISIONS.partition("\n### ")[2], flags=re.MULTILINE)
    assert [one for one in decisions if len(one.strip().splitlines()) > MOST_LINES] == []
    assert [one for one in decisions if one.startswith("- ") and not one.startswith("- **")] == []


def test_experiments_have_the_headings_of_decisions_in_the_same_order() -> None:
    subjects = re.findall(r"^### (.+)$", DECISIONS, re.MULTILINE)
    told = re.findall(r"^## (.+)$", EXPERIMENTS, re.MULTILINE)
    assert told == [subject for subject in subjects if subject in told]


def test_each_experiment_has_a_lead_or_belongs_to_one() -> None:
    for section in re.split(r"^#{2,3} .+$", EXPERIMENTS, flags=re.MULTILINE)[1:]:
        assert not section.strip() or section.strip().startswith("**"), section


@pytest.mark.parametrize("section", re.split(r"^## ", FIGURES, flags=re.MULTILINE)[1:])
def test_figures_have_a_date_and_a_command_and_say_what_is_worst(section: str) -> None:
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", section)
    assert "./dev " in section
    assert section.startswith("How they were taken\n") or "worst" in section.lower()


@pytest.mark.parametrize("document", SHORT_LINES)
def test_lines_are_short_but_in_tables(document: str) -> None:
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > MOST_CHARACTERS and not line.startswith("|")] == []


def _anchors(text: str) -> set[str]:
    """Returns the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
