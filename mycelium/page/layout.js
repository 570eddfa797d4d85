"use strict";
/* Where nodes stand in the view of one of them: it is the centre, a node's distance from it the cost of the way there, on a
   logarithmic scale, and its sector the neighbour that leads there. Nothing here touches the document. */
const INNER = 0.2; // radius of the innermost ring
const STEPS = [1, 2, 5];
const RINGS = 6; // at most

function steps(low, high) { // 1, 2, 5, 10, ... of which the first is not above `low` and the last not below `high`
  const found = [];
  for (let power = Math.floor(Math.log10(low)); ; power++) {
    for (const step of STEPS) {
      const value = Number((step * 10 ** power).toPrecision(1));
      if (value <= low) found.length = 0;
      found.push(value);
      if (value >= high && found.length > 1) return found;
    }
  }
}

function scaleOf(milliseconds) {
  const known = milliseconds.filter((ms) => ms > 0 && Number.isFinite(ms));
  const values = steps(Math.max(0.1, Math.min(...known, 1e6)), Math.max(1, ...known));
  const low = Math.log(values[0]), span = Math.log(values.at(-1)) - low;
  const radius = (ms) => INNER + (1 - INNER) * Math.min(1, Math.max(0, (Math.log(Math.max(ms, 1e-3)) - low) / span));
  const every = Math.ceil(values.length / RINGS);
  const shown = values.filter((_, index) => (values.length - 1 - index) % every === 0);
  return { radius, rings: shown.map((ms) => ({ r: radius(ms), label: `${ms} ms` })) };
}

/* `ways`: node -> {hop, ms}, ms null where it is not known; `links`: neighbour -> {level, note, rate}; `gone`: node -> {hop, ms},
   which is not reached; `name`: the short name of a node; `others`: pairs of a neighbour and the node that it leads to too. */
function myView({ own, ways, links, gone, name, others }) {
  const all = new Map([...gone, ...ways]);
  const scale = scaleOf([...ways.values()].map((way) => way.ms));
  const nodes = [{ id: own, x: 0, y: 0, size: 9, kind: "self", label: name(own), rank: 0 }];
  const lines = [];
  const sectors = sectorsOf(all, links, name);
  for (const { hop, members, from, to } of sectors) {
    members.forEach((id, index) => {
      const way = all.get(id), isNear = links.has(id), angle = from + ((index + 0.5) / members.length) * (to - from);
      const r = way?.ms == null ? 1 : scale.radius(way.ms);
      const kind = !ways.has(id) ? "lost" : isNear ? "near" : "far";
      nodes.push({ id, via: id === hop ? null : hop, x: Math.cos(angle) * r, y: Math.sin(angle) * r, kind, size: isNear ? 6 : all.size > 300 ? 2.6 : 4, label: name(id), rank: isNear ? 1 : 2,
        level: isNear ? links.get(id).level : 0 });
      if (ways.has(id) && id !== hop) lines.push({ a: hop, b: id, width: 1, bow: true, alpha: all.size > 300 ? 0.08 : all.size > 60 ? 0.2 : 0.45 });
    });
  }
  for (const [id, { level, note, rate }] of links) {
    const isUsed = ways.get(id)?.hop === id;
    lines.push({ a: own, b: id, width: isUsed ? 1.5 + Math.min(7, Math.log2(1 + rate / 2000)) : 1.5, level, note, dotted: !isUsed });
  }
  for (const [hop, id] of others) lines.push({ a: hop, b: id, width: 1.5, dotted: true });
  return { rings: scale.rings, sectors: sectors.map(({ from, to }) => ({ from, to })), nodes, links: lines };
}

function sectorsOf(ways, links, name) { // in an order that no change of a metric upsets
  const groups = new Map();
  for (const [id, way] of ways) {
    if (!groups.has(way.hop)) groups.set(way.hop, []);
    groups.get(way.hop).push(id);
  }
  for (const id of links.keys()) if (!ways.has(id)) groups.set(id, [...(groups.get(id) ?? []), id]);
  const order = (one, other) => (one < other ? -1 : 1);
  const weight = (members) => Math.max(members.length, ways.size * 0.05, 1);
  const total = [...groups.values()].reduce((sum, members) => sum + weight(members), 0);
  let from = -Math.PI / 2;
  return [...groups].sort(([one], [other]) => order(one, other)).map(([hop, members]) => {
    const others = members.filter((id) => id !== hop).sort();
    if (members.length > others.length) others.splice(Math.floor(others.length / 2), 0, hop); // the neighbour in the middle
    const sector = { hop, members: others, from, to: from + (weight(members) / total) * 2 * Math.PI };
    from = sector.to;
    return sector;
  });
}

/* The ways before the events that are newer than `time`: each is undone, the newest first. `cost`: what a way last cost, in ms. */
function rewound(ways, linked, events, time, cost) {
  const then = new Map(ways), links = new Set(linked);
  for (let index = events.length - 1; index >= 0 && events[index].event.time > time; index--) {
    const { kind, node, before } = events[index].event;
    if (kind === "route" && before) then.set(node, { hop: before, ms: cost(node) });
    else if (kind === "route") then.delete(node);
    else if (kind === "link-up") links.delete(node);
    else if (kind === "link-down") links.add(node);
  }
  return { ways: then, links };
}
