"""The page in a browser, beside a mesh of real daemons: what it draws, that it follows a cut, and what it costs."""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, line, ring
from tests.netns.conftest import GIVEN_LINKS, MakeMesh
from tests.support.browser import Browser, Scheme

pytestmark = [pytest.mark.netns, pytest.mark.deep]

SHOWN_SECONDS: Final = 20.0
SIZES: Final[tuple[tuple[int, int, Scheme], ...]] = (
    (1280, 800, "light"),
    (1280, 800, "dark"),
    (360, 740, "light"),
    (360, 740, "dark"),
)
COLOURS: Final = """(() => {
  const canvas = document.getElementById("map"), seen = new Set();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) if (data[at + 3]) seen.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
  return seen.size;
})()"""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def on_loopback(daemon: LabDaemon) -> Iterator[str]:
    """Passes connections on between loopback, where the browser is, and the socket of a daemon; yields the URL of its page."""
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()
    urls: queue.Queue[str] = queue.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(str(daemon.api_socket))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pump(reader, here))
                await pump(there, writer)
        finally:
            here.transport.abort()
            writer.transport.abort()

    async def forward() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        urls.put(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await stopping.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(forward())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield urls.get(timeout=SHOWN_SECONDS)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()


def test_the_page_shows_the_mesh_and_follows_a_cut(make_mesh: MakeMesh, tmp_path: Path) -> None:
    mesh = make_mesh([*ring("a", "b", "c", "d"), *line("c", "e", "f")], options=(*GIVEN_LINKS, "--share-links", "all"))
    mesh.start()
    mesh.wait_settled()
    a, b, d = (mesh[name] for name in "abd")
    folder = Path(os.environ.get("MYCELIUM_PICTURES", tmp_path))
    with on_loopback(a) as url, Browser(tmp_path / "browser") as browser:
        browser.open(url)
        browser.wait_for("document.title.startsWith('2 of 2 peers alive')", SHOWN_SECONDS, "both peers are shown")
        browser.wait_for(
            "state.routes.size === 5 && map.scene.nodes.length === 6", SHOWN_SECONDS, "all nodes are drawn"
        )
        for width, height, scheme in SIZES:
            browser.resize(width, height, scheme)
            browser.wait_for(f"innerWidth === {width}", SHOWN_SECONDS, "the page has its size")
            browser.wait_for(f"{COLOURS} > 20", SHOWN_SECONDS, "the map is drawn")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            browser.photograph(folder / f"page-{width}-{scheme}.png")
        show_mesh(browser, mesh, folder)
        browser.resize(1280, 800, "light")
        direct = f"state.routes.get('{b.address}')?.hop === '{b.address}'"
        browser.wait_for(direct, SHOWN_SECONDS, "the link is in use")
        mesh.cable("a", "b").cut()
        browser.wait_for(
            f"state.routes.get('{b.address}')?.hop === '{d.address}'", SHOWN_SECONDS, "the map has the way around"
        )
        browser.wait_for("document.title.startsWith('1 of 2 peers alive')", SHOWN_SECONDS, "one peer is lost")
        short = ":".join(b.address.split(":")[:2])
        told = f"[...document.querySelectorAll('#events .down')].some((row) => row.innerText.includes('link down: {short}'))"
        browser.wait_for(told, SHOWN_SECONDS, "the event is listed")
        browser.evaluate("show(state.events.find(({ event }) => event.kind === 'link-suspect').event.time - 0.001)")
        was_drawn = f"map.scene.links.some((link) => link.a === state.own && link.b === '{b.address}' && !link.dotted)"
        browser.wait_for(was_drawn, SHOWN_SECONDS, "the link is there in the past")
        browser.photograph(folder / "page-rewound.png")
        assert browser.complaints == []


def show_mesh(browser: Browser, mesh: DaemonMesh, folder: Path) -> None:
    """Shows all links, follows a cut between other nodes, and goes back to the view of the node."""
    browser.evaluate("document.getElementById('mesh').click()")
    drawn = "map.scene.links.filter((link) => link.mutual && !link.dashed).length"
    browser.wait_for(
        f"{drawn} === {len(mesh.cables)} && map.scene.nodes.length === 6", SHOWN_SECONDS, "all links are drawn"
    )
    for width, height, scheme in SIZES:
        browser.resize(width, height, scheme)
        browser.wait_for(f"innerWidth === {width} && {COLOURS} > 20", SHOWN_SECONDS, "the mesh is drawn")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        browser.photograph(folder / f"mesh-{width}-{scheme}.png")
    mesh.cable("b", "c").cut()
    browser.wait_for(f"map.scene.links.length === {len(mesh.cables) - 1}", SHOWN_SECONDS, "the cut is shown")
    mesh.cable("b", "c").mend()
    browser.wait_for(f"{drawn} === {len(mesh.cables)}", SHOWN_SECONDS, "the link is back")
    browser.evaluate("document.getElementById('mine').click()")
    browser.wait_for("map.scene.rings.length > 0", SHOWN_SECONDS, "the view of the node is back")
