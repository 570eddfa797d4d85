"""The page of a report: self-contained, reproducible, and safe with any text."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from mycelium.errors import ConfigError
from sim.report.page import write_folder
from sim.report.report import collect
from tests.sim.fake import fake_records

PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects what a page refers to, and its tags that are open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "srcset", "href")]
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_run_gives_all_plots_and_a_page(tmp_path: Path) -> None:
    written = write_folder(collect(fake_records()), tmp_path / "new" / "folder")
    names = [path.name for path in written]
    assert names == ["convergence.png", "outages.png", "bytes.png", "stretch.png", "map.png", "report.html"]
    assert all(path.read_bytes().startswith(PNG) for path in written[:-1])


def test_the_page_refers_to_nothing_but_itself(tmp_path: Path) -> None:
    page = Page(write_folder(collect(fake_records()), tmp_path)[-1].read_text())
    assert page.open == []
    assert len(page.references) == 10
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)


def test_the_same_run_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (write_folder(collect(fake_records()), tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_page_shows_what_it_is_told_as_text(tmp_path: Path) -> None:
    records = [*fake_records(scenario="<script>"), {"type": "action", "t": 1.0, "what": "<b>", "x": "&"}]
    text = write_folder(collect(records), tmp_path)[-1].read_text()
    assert "<script>" not in text
    assert "&lt;script&gt; on ba" in text
    assert "<th>&lt;b&gt;</th><td>x &amp;</td>" in text


def test_an_interrupted_run_and_a_broken_invariant_are_said_on_the_page(tmp_path: Path) -> None:
    recipe = {"command": "mycelium-sim run --seed 7"}
    report = collect([{"type": "run"}, {"type": "violation", "t": 2.0, "loop": [1, 2, 1], "reproduce": recipe}])
    written = write_folder(report, tmp_path)
    assert [path.name for path in written] == ["report.html"]
    text = written[0].read_text()
    assert "The run was interrupted" in text
    assert "loop [1, 2, 1]" in text
    assert "<code>mycelium-sim run --seed 7</code>" in text


def test_thousands_of_actions_do_not_swell_the_page(tmp_path: Path) -> None:
    report = collect({"type": "action", "t": t, "what": "restart"} for t in range(5_000))
    text = write_folder(report, tmp_path)[-1].read_text()
    assert "and 4,500 more" in text
    assert len(text) < 100_000


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        write_folder(collect(fake_records()), tmp_path / "file")
