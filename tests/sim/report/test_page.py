"""The page of a report: self-contained, reproducible, and safe with any text."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mycelium.errors import ConfigError
from sim.report.page import _STYLE, render_page, write_folder
from sim.report.report import Report, collect
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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of one run."""
    return write_folder(collect(fake_records()), tmp_path_factory.mktemp("report") / "new" / "folder")


def test_a_run_gives_all_plots_and_a_page(written: list[Path]) -> None:
    names = [path.name for path in written]
    assert names == ["convergence.png", "outages.png", "bytes.png", "stretch.png", "map.png", "report.html"]
    assert all(path.read_bytes().startswith(PNG) for path in written[:-1])


def test_the_page_refers_to_nothing_but_itself(written: list[Path]) -> None:
    page = Page(written[-1].read_text())
    assert page.open == []
    assert len(page.references) == 8
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)


def test_the_same_run_gives_the_same_files(written: list[Path], tmp_path: Path) -> None:
    again = write_folder(collect(fake_records()), tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_the_page_shows_what_it_is_told_as_text(tmp_path: Path) -> None:
    run = next(fake_records(scenario="<script>"))
    records = [run, {"type": "action", "t": 1.0, "what": "<b>", "x": "&"}]
    text = write_folder(collect(records), tmp_path)[-1].read_text()
    assert "<script> on" not in text
    assert "&lt;script&gt; on ba" in text
    assert "<th>&lt;b&gt;</th><td>x &amp;</td>" in text


def test_an_interrupted_run_and_a_broken_invariant_are_said_on_the_page(tmp_path: Path) -> None:
    recipe = {"command": "mycelium-sim run --seed 7"}
    report = collect([{"type": "run"}, {"type": "violation", "t": 2.0, "loop": [1, 2, 1], "reproduce": recipe}])
    written = write_folder(report, tmp_path)
    assert [path.name for path in written] == ["report.html"]
    text = written[0].read_text()
    assert "The run failed: violation at 2.00 s, loop 1, 2, 1." in text
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


def test_the_verdict_is_first_then_the_figures_that_matter_then_plots_then_the_rest(written: list[Path]) -> None:
    text = written[-1].read_text()
    order = [
        "<h1>",
        'class="verdict">All 40 interrupted',
        "detection (assumed)",
        "<h2>Plots",
        "<h2>Actions",
        "log hash",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


SCENES: dict[str, list[dict[str, object]]] = {
    "no cut": [{"type": "summary", "nodes": 3, "converged_s": 0.25}],
    "one flow": [
        {"type": "outage", "flow": [0, 1], "start": 1.0, "end": 1.3, "outage_s": 0.3, "after_detection_s": 0.1},
        {"type": "summary"},
    ],
    "nothing delivered": [{"type": "outage", "flow": [0, 1], "start": 1.0}, {"type": "summary", "converged_s": None}],
    "no numbers": [
        {"type": "action", "t": math.inf, "what": "cut", "link": [0, 1], "one_way": False, "delay_s": None},
        {"type": "stretch", "values": [math.nan, 1.0]},
        {"type": "summary", "figures": {"outage_max_s": math.nan}, "bytes_per_node": math.inf, "peak_rss_mib": None},
    ],
    "nothing at all": [],
}


@pytest.mark.parametrize("scene", SCENES)
def test_no_page_shows_a_value_that_is_none_or_as_python_writes_it(tmp_path: Path, scene: str) -> None:
    run = {"type": "run", "topology": "ring", "nodes": 3, "links": 3, "scenario": scene, "fidelity": "routing"}
    text = write_folder(collect([run, *SCENES[scene]]), tmp_path)[-1].read_text()
    shown = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    assert re.search(r"\b(None|True|False|nan|inf)\b|[\[\]{}]|\de[+-]\d", shown) is None
    assert 'class="verdict">' in text


def test_nothing_on_the_page_is_wider_than_a_telephone() -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in render_page(Report(), {}, {})
    narrow = _STYLE.partition("@media (max-width: 40rem)")[2]
    assert "th, td, td.time { display: block; width: auto;" in narrow  # a name stands above its value
    assert "max-width: 100%" in _STYLE
    assert "nowrap" not in _STYLE.replace("td.time { white-space: nowrap; width: 6rem; }", "")
