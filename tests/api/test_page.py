"""The files of the page: few bytes, nothing from elsewhere, served with a policy that keeps it so."""

import asyncio
import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import aiohttp
import pytest

import mycelium
from mycelium.api.page import FILES, file
from tests.api.support import LOOPBACK, FakeNode, serving

PAGE_BYTES: Final = 28 << 10
ALL: Final = {path: file(path, {}) for path in FILES}


class Tags(HTMLParser):
    """Collects the tags of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


TAGS: Final = Tags(ALL["/"].body.decode()).tags


def test_little_is_sent_to_a_browser() -> None:
    packed = {path: file(path, {"accept-encoding": "gzip, deflate, br"}) for path in FILES}
    assert sum(len(one.body) for one in packed.values()) <= PAGE_BYTES
    for path, one in packed.items():
        assert dict(one.headers)["Content-Encoding"] == "gzip"
        assert gzip.decompress(one.body) == ALL[path].body


@pytest.mark.parametrize("taken", [{}, {"accept-encoding": "br"}, {"accept-encoding": "gzip;q=0"}])
def test_nothing_is_compressed_for_those_who_do_not_say_that_they_take_it(taken: dict[str, str]) -> None:
    assert file("/", taken) == ALL["/"]
    assert dict(ALL["/"].headers)["Vary"] == "Accept-Encoding"


def test_every_file_of_the_folder_is_served() -> None:
    folder = Path(mycelium.__file__).parent / "page"
    assert sorted(path.name for path in folder.iterdir()) == sorted(name for name, _ in FILES.values())


@pytest.mark.parametrize("path", FILES)
def test_nothing_comes_from_elsewhere(path: str) -> None:
    text = ALL[path].body.decode().replace("http://www.w3.org/2000/svg", "")  # a name, which nobody fetches
    assert (
        re.findall(r"(?:https?:)?//[\w.-]+\.\w+|\bimport\(|@import|\beval\(|innerHTML|insertAdjacentHTML", text) == []
    )


def test_the_page_names_its_own_files_and_keeps_to_its_policy() -> None:
    named = {value for _, attributes in TAGS for name in ("src", "href") if (value := attributes.get(name))}
    assert {f"/{name.lstrip('/')}" for name in named if not name.startswith("#")} == set(FILES) - {"/"}
    attributes = {name for _, found in TAGS for name in found}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}
    assert [tag for tag, _ in TAGS if tag == "style"] == []
    assert all(found.get("src") for tag, found in TAGS if tag == "script")


def test_whoever_cannot_see_the_page_is_told_what_is_on_it() -> None:
    assert ("html", {"lang": "en"}) in TAGS
    assert [found for tag, found in TAGS if tag == "meta" and found.get("name") == "viewport"]
    named = [found for tag, found in TAGS if tag in ("canvas", "section", "aside", "nav", "table")]
    assert [found for found in named if not (found.get("aria-label") or found.get("aria-labelledby"))] == []
    labels = {found.get("for") for tag, found in TAGS if tag == "label"}
    fields = [found for tag, found in TAGS if tag == "input"]
    assert [found for found in fields if not (found.get("aria-label") or found.get("id") in labels)] == []


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_served_with_its_type_and_a_policy(path: str) -> None:
    served = dict(ALL[path].headers)
    assert served["Content-Security-Policy"].startswith("default-src 'self';")
    assert served["X-Content-Type-Options"] == "nosniff"
    assert ALL[path].content_type == FILES[path][1]


def test_the_page_is_read_and_nothing_else() -> None:
    async def run() -> None:
        async with serving(FakeNode(), LOOPBACK, token="secret") as server, aiohttp.ClientSession() as session:
            base = f"http://{server.address}"
            async with session.get(f"{base}/") as page:  # without the token, which the page then asks for
                assert (page.status, await page.read()) == (200, ALL["/"].body)
            async with session.post(f"{base}/") as refused:
                assert refused.status == 405
            async with session.get(f"{base}/page.py") as unknown:
                assert unknown.status == 401

    asyncio.run(run())
