"""The page in a browser, beside a node of literals: a large mesh is drawn at once, and hours leave nothing behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from mycelium.admin.mesh import LinkEndInfo, MeshNodeInfo
from tests.api.support import ADDRESS, LOOPBACK, FakeNode
from tests.cli.support import served
from tests.support.browser import Browser

pytestmark = pytest.mark.deep

SECONDS: Final = 30.0  # that the page is waited for
DRAWN_MS: Final = 2_000.0  # a mesh of NODES, from the click
NODES: Final = 1_000
GROWN_BYTES: Final = 4 << 20  # of the second hour
DRAW: Final = """(async () => {
  const began = performance.now(), next = () => new Promise(requestAnimationFrame);
  document.getElementById("mesh").click();
  while (map.scene.nodes.length !== %d || !map.scene.links.length) await next();
  await next();
  return performance.now() - began;
})()"""
LEAVE: Final = """(async () => {
  document.getElementById("mine").click();
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  return state.meshTrouble;
})()"""
# an hour of updates: half of the routes change each second, and three events happen, each about other nodes
AN_HOUR: Final = """(() => {
  window.passed ??= 0;
  for (const until = passed + 3600; passed < until; passed++) {
    const routes = {}, events = [];
    for (let node = 0; node < 100; node++) routes[`400::${(passed % 2) * 100 + node}`] = ["400::1", 100 + passed % 50, null];
    routes[`400:9::${passed}`] = ["400::1", 100, `host-${passed}`];
    routes[`400:9::${passed - 5}`] = null;
    for (let number = 0; number < 3; number++) {
      const event = { sequence: 3 * passed + number + 1, time: 1.8e9 + passed, kind: "route", cause: "better" };
      Object.assign(event, { node: `400:9::${passed}`, before: "400::1", after: "400::2" });
      events.push({ event, text: `${event.node} is reached over 400::2 instead of 400::1` });
    }
    take({ time: 1.8e9 + passed, routes, events });
    if (passed % 15 === 0) prune();
    if (passed % 60 === 0) paint();
  }
})()"""


def heap_bytes(browser: Browser) -> float:
    browser.call("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    return float(found["JSHeapUsedSize"])


@contextmanager
def opened(node: FakeNode, folder: Path) -> Iterator[Browser]:
    with served(node, LOOPBACK) as address, Browser(folder) as browser:
        browser.open(f"http://{address}/")
        browser.wait_for("typeof state !== 'undefined' && state.own && state.heardAt", SECONDS, "the page is live")
        yield browser
        assert browser.complaints == []


def large_mesh() -> dict[str, MeshNodeInfo]:
    """Returns rings of ten that hang together, with a node that does not tell and a link that one end alone tells of."""
    names = [ADDRESS, *(f"400::{number:x}" for number in range(1, NODES))]
    links: dict[str, dict[str, LinkEndInfo]] = {name: {} for name in names}
    for number, name in enumerate(names):
        for other in (names[number - 10], names[number - 1]):
            links[name][other] = links[other][name] = LinkEndInfo(cost=100, rtt_ms=1.0, loss=0.0)
    links[names[5]] = {}
    del links[names[7]][names[8]]
    return {
        name: MeshNodeInfo("own" if name == ADDRESS else "refused" if not its else "told", None, its)
        for name, its in links.items()
    }


def test_a_mesh_of_a_thousand_nodes_is_drawn_within_two_seconds(tmp_path: Path) -> None:
    node = FakeNode()
    node.mesh.nodes = large_mesh()
    with opened(node, tmp_path / "browser") as browser:
        assert browser.evaluate(DRAW % NODES) < DRAWN_MS
        assert browser.evaluate("map.scene.links.length") == 2 * NODES
        assert browser.evaluate("map.scene.links.filter((link) => link.dashed).length") == 5
        assert browser.evaluate("map.scene.nodes.filter((node) => node.kind === 'lost').length") == 1
        apart = "new Set(map.scene.nodes.map(({ x, y }) => `${x.toFixed(3)} ${y.toFixed(3)}`)).size"
        assert browser.evaluate(apart) > 0.9 * NODES
        told = browser.evaluate("document.getElementById('told').textContent")
        assert told == "999 of 1000 nodes tell their links, 1 unwilling"


def test_to_leave_the_view_of_the_mesh_is_no_trouble(tmp_path: Path) -> None:
    with opened(FakeNode(), tmp_path / "browser") as browser:
        browser.evaluate("document.getElementById('mesh').click()")
        browser.wait_for("state.mesh.size === 3", SECONDS, "the mesh is there")
        assert browser.evaluate(LEAVE) == ""


def test_a_second_hour_leaves_no_more_behind_than_the_first(tmp_path: Path) -> None:
    with opened(FakeNode(), tmp_path / "browser") as browser:
        heaps = []
        for _ in range(2):
            browser.evaluate(AN_HOUR)
            heaps.append(heap_bytes(browser))
        assert heaps[1] - heaps[0] < GROWN_BYTES, heaps
