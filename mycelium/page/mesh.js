"use strict";
/* The whole mesh: the links that nodes tell of, and where the nodes stand, so that those with a link are near each other. The
   first places are those of PivotMDS (Brandes, Pich 2006), by the links between nodes; forces between all pairs spread them
   (Fruchterman, Reingold 1991). Nothing here touches the document. */
const PIVOTS = 24;
const BUDGET_MS = 400; // of the processor for one layout
const ROUNDS = 120; // of forces, at most; fewer where the mesh has changed a little
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/* `told`: node -> {links: {neighbour: end}}. Returns {a, b, ends: {node: end}} for each pair of nodes of which one tells of a link. */
function linksOf(told) {
  const found = new Map();
  for (const [one, { links }] of told) for (const [other, end] of Object.entries(links)) {
    if (!told.has(other)) continue;
    const [a, b] = one < other ? [one, other] : [other, one], key = `${a} ${b}`;
    if (!found.has(key)) found.set(key, { a, b, ends: {} });
    found.get(key).ends[one] = end;
  }
  return [...found.values()];
}

class MeshLayout {
  places = new Map(); // node -> {x, y}, none further from the origin than 1 in either direction
  #known = ""; // nodes and links that these are for
  #size = 0; // how many there were of both when all were placed anew

  /* `ids`: nodes; `links`: {a, b}. Nodes that were there move little, unless much is new. */
  arrange(ids, links) {
    const pairs = links.map(({ a, b }) => `${a} ${b}`).sort(), known = `${[...ids].sort()} ${pairs}`;
    if (known === this.#known || !ids.length) return this.places;
    this.#known = known;
    const index = new Map(ids.map((id, number) => [id, number])), near = ids.map(() => []), size = ids.length + links.length;
    for (const { a, b } of links) { near[index.get(a)].push(index.get(b)); near[index.get(b)].push(index.get(a)); }
    const isNew = Math.abs(size - this.#size) > 0.2 * this.#size, before = ids.map((id) => this.places.get(id));
    if (isNew) this.#size = size;
    const at = isNew ? alike(pivotPlaces(near), before) : before.map((place, number) => place ?? beside(near[number].map((one) => before[one]), number));
    spread(at, near, isNew ? ROUNDS : ROUNDS / 4);
    this.places = new Map(fitted(at).map((place, number) => [ids[number], place]));
    return this.places;
  }
}

function beside(neighbours, number) {
  const { x, y } = neighbours.find(Boolean) ?? { x: 0, y: 0 };
  return { x: x + 0.05 * Math.cos(number * GOLDEN), y: y + 0.05 * Math.sin(number * GOLDEN) };
}

function hopsFrom(start, near) {
  const hops = new Float64Array(near.length).fill(-1), queue = [start];
  hops[start] = 0;
  for (let next = 0; next < queue.length; next++) for (const one of near[queue[next]]) if (hops[one] < 0) { hops[one] = hops[queue[next]] + 1; queue.push(one); }
  const most = hops[queue.at(-1)];
  return hops.map((count) => (count < 0 ? most + 2 : count));
}

function pivotPlaces(near) {
  const count = near.length, least = new Float64Array(count).fill(Infinity), columns = [];
  for (let pivot = 0; columns.length < Math.min(PIVOTS, count);) {
    const hops = hopsFrom(pivot, near);
    columns.push(hops.map((one) => one * one));
    hops.forEach((one, node) => { least[node] = Math.min(least[node], one); });
    pivot = least.indexOf(Math.max(...least)); // the furthest from all so far
  }
  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
  const ofColumns = columns.map(mean), ofRows = least.map((_, node) => mean(columns.map((column) => column[node]))), ofAll = mean(ofColumns);
  columns.forEach((column, pivot) => column.forEach((one, node) => { column[node] = (ofRows[node] + ofColumns[pivot] - one - ofAll) / 2; }));
  const x = axis(columns, []), y = axis(columns, [x]);
  const scale = Math.max(...x.places.map(Math.abs), ...y.places.map(Math.abs)) || 1;
  return near.map((_, node) => beside([{ x: x.places[node] / scale, y: y.places[node] / scale }], node)); // no two at one place
}

function axis(columns, others) { // the direction in which the columns differ most, by power iteration, and where that puts each node
  let weights = columns.map((_, pivot) => 1 + Math.sin(pivot * GOLDEN)), places;
  for (let round = 0; round < 40; round++) {
    for (const other of others) { const along = weights.reduce((sum, one, pivot) => sum + one * other.weights[pivot], 0); weights = weights.map((one, pivot) => one - along * other.weights[pivot]); }
    const length = Math.hypot(...weights) || 1;
    weights = weights.map((one) => one / length);
    places = columns[0].map((_, node) => columns.reduce((sum, column, pivot) => sum + column[node] * weights[pivot], 0));
    if (round < 39) weights = columns.map((column) => column.reduce((sum, one, node) => sum + one * places[node], 0));
  }
  return { weights, places: [...places] };
}

function alike(places, before) { // mirrored so that nodes stay where they were, as far as that goes
  for (const key of ["x", "y"]) {
    const same = places.reduce((sum, place, number) => sum + (before[number] ? place[key] * before[number][key] : 0), 0);
    if (same < 0) for (const place of places) place[key] = -place[key];
  }
  return places;
}

function spread(at, near, rounds) { // forces: all push each other away, links and the origin pull
  const count = at.length, x = Float64Array.from(at, (place) => place.x), y = Float64Array.from(at, (place) => place.y);
  const pushX = new Float64Array(count), pushY = new Float64Array(count), ideal = 1.4 / Math.sqrt(count), until = performance.now() + BUDGET_MS;
  for (let round = 0; round < rounds && performance.now() < until; round++) {
    for (let one = 0; one < count; one++) { pushX[one] = -0.3 * ideal * x[one]; pushY[one] = -0.3 * ideal * y[one]; }
    for (let one = 0; one < count; one++) {
      const oneX = x[one], oneY = y[one];
      let sumX = 0, sumY = 0;
      for (let other = 0; other < one; other++) {
        const dx = oneX - x[other], dy = oneY - y[other], force = ideal * ideal / (dx * dx + dy * dy + 1e-9);
        sumX += dx * force; sumY += dy * force;
        pushX[other] -= dx * force; pushY[other] -= dy * force;
      }
      for (const other of near[one]) {
        const dx = x[other] - oneX, dy = y[other] - oneY, force = Math.hypot(dx, dy) / ideal;
        sumX += dx * force; sumY += dy * force;
      }
      pushX[one] += sumX; pushY[one] += sumY;
    }
    const most = (rounds === ROUNDS ? 0.1 : 0.03) * (1 - round / rounds) + 0.001; // a node moves in one round
    for (let one = 0; one < count; one++) {
      const length = Math.hypot(pushX[one], pushY[one]) || 1, step = Math.min(length, most) / length;
      x[one] += pushX[one] * step; y[one] += pushY[one] * step;
    }
  }
  at.forEach((place, number) => { place.x = x[number]; place.y = y[number]; });
}

function fitted(at) { // below what stands at the top of the map
  const [left, right] = [Math.min, Math.max].map((pick) => pick(...at.map(({ x }) => x))), [top, bottom] = [Math.min, Math.max].map((pick) => pick(...at.map(({ y }) => y)));
  const half = Math.max(right - left, bottom - top) / 2 || 1;
  return at.map(({ x, y }) => ({ x: 0.92 * (x - (left + right) / 2) / half, y: 0.92 * (y - (top + bottom) / 2) / half + 0.08 }));
}

/* The scene of a whole mesh. `nodes`: {id, kind, label, rank}; `links`: {a, b, level, note, dashed}; `places`: node -> {x, y}. */
function meshView(nodes, links, places) {
  const degrees = new Map(), isLarge = nodes.length > 60;
  for (const { a, b } of links) for (const id of [a, b]) degrees.set(id, (degrees.get(id) ?? 0) + 1);
  const scale = nodes.length > 300 ? 1.2 : isLarge ? 1.8 : 2.6, drawn = nodes.map((node) => ({ rank: 2, ...node, ...places.get(node.id), size: node.kind === "self" ? 8 : scale + scale * Math.min(1.5, Math.sqrt(degrees.get(node.id) ?? 0) / 2) }));
  const lines = links.map((link) => ({ level: 0, width: link.level || link.dashed ? 2 : isLarge ? 1 : 1.5, alpha: link.level || link.dashed ? 1 : isLarge ? 0.35 : 0.7, mutual: true, ...link }));
  return { rings: [], sectors: [], nodes: drawn, links: lines };
}
