"use strict";
/* The mesh of a report on the map of the daemon's page: all of it, or as one node sees it, which is chosen by a click. */
const told = JSON.parse(document.getElementById("mesh").textContent); // nodes: [id, x, y]; links: [a, b, ms, state]
const UP = 0, MENDED = 1, DOWN = 2, HALF = 3; // HALF: only one end uses it
const heading = document.getElementById("view"), whole = document.getElementById("whole");
const neighbours = new Map(told.nodes.map(([id]) => [id, []]));
for (const [a, b, ms, state] of told.links) {
  if (state >= DOWN) continue;
  neighbours.get(a).push([b, ms]);
  neighbours.get(b).push([a, ms]);
}
const map = new MeshMap(document.getElementById("map"), { onPick: show });

function mesh() {
  const size = Math.max(...told.nodes.map(([, x, y]) => Math.max(Math.abs(x), Math.abs(y)))) || 1;
  const places = new Map(told.nodes.map(([id, x, y]) => [id, { x: x / size, y: -y / size }]));
  const links = told.links.map(([a, b, , state]) => ({ a, b, level: Math.min(state, DOWN), dotted: state === DOWN, dashed: state === HALF, note: ["", "mended", "down", "one end"][state] }));
  return meshView(told.nodes.map(([id]) => ({ id, kind: "far", label: String(id) })), links, places);
}

function waysFrom(from) { // node -> first hop and ms of the shortest way
  const found = new Map(), near = new Map([[from, { hop: null, ms: 0 }]]);
  while (near.size) {
    const [id, way] = [...near].reduce((one, other) => (other[1].ms < one[1].ms ? other : one));
    near.delete(id);
    found.set(id, way);
    for (const [next, ms] of neighbours.get(id)) {
      const known = near.get(next);
      if (!found.has(next) && !(known?.ms <= way.ms + ms)) near.set(next, { hop: way.hop ?? next, ms: way.ms + ms });
    }
  }
  found.delete(from);
  return found;
}

function show(id) {
  whole.hidden = id === null;
  heading.textContent = id === null ? "The mesh at the end: click a node to see it as that node does" : `As node ${id} sees it: the closer to the middle, the shorter the way`;
  const links = new Map(id === null ? [] : neighbours.get(id).map(([near]) => [near, { level: 0, rate: 0 }]));
  map.show(id === null ? mesh() : myView({ own: id, ways: waysFrom(id), links, gone: new Map(), others: [], name: String }));
}

whole.addEventListener("click", () => { map.pick(null); show(null); });
show(null);
