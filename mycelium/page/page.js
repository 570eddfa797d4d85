"use strict";
/* The daemon's page: what its stream tells, as a map, a table and a timeline. Everything is text to the document, never markup. */
const API = "/api/v1";
const KEPT_MS = 600_000; // of what is measured
const BUCKET_MS = 5_000; // one point of a sparkline
const SILENT_MS = 5_000; // the stream says something each second
const GONE_S = 60; // how long a node that was lost stays on the map
const EXPLAIN = "routes/explain";
const SHOWN = 400; // rows of a list at once
const $ = (id) => document.getElementById(id);

const state = { own: "", names: new Map(), learnt: {}, status: null, peers: new Map(), routes: new Map(), events: [], times: new Map(), histories: new Map(), rates: new Map(),
  time: 0, heardAt: 0, trouble: "", moment: null, picked: null, kind: "all", sort: { by: "name", up: true }, mesh: null, meshTrouble: "" };
const layout = new MeshLayout();

/* -- words and numbers -- */

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((one) => one !== null));
  return made;
}

const short = (address) => address === state.own ? "this node" : state.names.get(address) ?? address.split(":").slice(0, 2).join(":");
const digits = (value) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const ms = (value) => value == null ? "–" : `${digits(value)} ms`;
const percent = (share) => share == null ? "–" : share === 0 ? "0 %" : share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const level = (loss) => loss >= 0.1 ? 2 : loss >= 0.01 ? 1 : 0;
const CLOCK = new Intl.DateTimeFormat([], { timeStyle: "medium", hourCycle: "h23" });
const clock = (seconds) => CLOCK.format(seconds * 1000);

function rate(bytesPerSecond) {
  let bits = bytesPerSecond * 8, unit = 0;
  while (bits >= 999.5 && unit < 3) { bits /= 1000; unit++; }
  return [unit ? digits(bits) : bits.toFixed(0), ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"][unit]];
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [Infinity, ""]];

function span(seconds) { // in its two largest units
  const first = Math.min(3, UNITS.findIndex(([size], index) => seconds >= size || index === 3));
  const [[size, unit], [less, lesser]] = UNITS.slice(first), more = Math.floor((seconds % size) / less);
  return `${Math.floor(seconds / size)} ${unit}${more ? ` ${more} ${lesser}` : ""}`;
}

/* -- the stream -- */

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(API + path, token ? { ...options, headers: { Authorization: `Bearer ${token}` } } : options);
  if (answer.status === 401) await askToken();
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the daemon answered ${answer.status}`);
  return answer;
}

function askToken() {
  return new Promise((done) => {
    if ($("ask").open) return done();
    $("ask").showModal();
    $("ask").addEventListener("close", () => { sessionStorage.setItem("token", $("token").value.trim()); $("token").value = ""; done(); }, { once: true });
  });
}

async function follow() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const answer = await ask("/stream");
      forget();
      await read(answer, (update) => { wait = 500; take(update); });
      state.trouble = "the daemon has ended the stream";
    } catch (failed) {
      state.trouble = failed instanceof TypeError ? "the daemon does not answer" : failed.message;
    }
    changed();
    await new Promise((next) => setTimeout(next, wait));
  }
}

async function read({ body }, taker) { // hands the updates of a stream on until it ends
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) taker(JSON.parse(part.slice(6)));
  }
}

/* -- the whole mesh, followed while it is shown -- */

let meshEnd = null; // ends its stream

function view(name) {
  const isMesh = name === "mesh";
  for (const one of ["mine", "mesh"]) $(one).setAttribute("aria-pressed", String(one === name));
  for (const one of document.querySelectorAll("[data-view]")) one.hidden = one.dataset.view !== name;
  if (isMesh === (state.mesh !== null)) return;
  meshEnd?.abort();
  meshEnd = isMesh ? new AbortController() : null;
  state.mesh = isMesh ? new Map() : null;
  if (isMesh) { state.moment = null; followMesh(state.mesh, meshEnd.signal); }
  map.fit();
  changed();
}

async function followMesh(told, signal) {
  while (!signal.aborted) {
    try {
      const answer = await ask("/stream/mesh", { signal });
      told.clear();
      state.meshTrouble = "";
      await read(answer, ({ nodes }) => {
        for (const [id, node] of Object.entries(nodes)) {
          if (node) told.set(id, node); else told.delete(id);
          if (node?.name) state.names.set(id, node.name);
        }
        changed();
      });
    } catch (failed) { if (!signal.aborted) state.meshTrouble = failed.message; }
    changed();
    await new Promise((next) => setTimeout(next, 2000));
  }
}

function meshNow() { // what is known of the mesh, as a scene
  const told = state.mesh, near = told.get(state.own)?.links ?? {}, kinds = { own: "self", told: "far", waiting: "far" };
  const links = linksOf(told).map(({ a, b, ends }) => {
    const both = Object.values(ends), loss = Math.max(...both.map((end) => end.loss ?? 0)), costs = both.map((end) => end.cost ?? 0);
    const isUneven = both.length > 1 && Math.max(...costs) > 2 * Math.min(...costs) + 100;
    return { a, b, dashed: both.length < 2, level: both.some((end) => end.suspect) ? 2 : Math.max(level(loss), isUneven ? 1 : 0),
      note: told.size > 60 ? "" : loss >= 0.01 ? percent(loss) : isUneven ? costs.map((cost) => ms(cost / 100)).join(" ≠ ") : "" };
  });
  const nodes = [...told].map(([id, { answer }]) => ({ id, label: short(id), rank: id === state.own ? 0 : id in near ? 1 : 2,
    kind: answer !== "own" && id in near && kinds[answer] ? "near" : kinds[answer] ?? "lost" }));
  return meshView(nodes, links, layout.arrange([...told.keys()], links));
}

function paintTold() {
  const all = [...(state.mesh ?? [])].map(([, { answer }]) => answer), count = (...kinds) => all.filter((one) => kinds.includes(one)).length, left = state.routes.size + 1 - all.length;
  const parts = [[count("waiting"), "still to answer"], [count("refused"), "unwilling"], [count("silent"), "silent"], [all.length ? left : 0, "too far to be asked"]];
  $("told").textContent = state.mesh ? state.meshTrouble || [`${count("own", "told")} of ${Math.max(all.length, state.routes.size + 1)} nodes tell their links`, ...parts.filter(([one]) => one > 0).map((one) => one.join(" "))].join(", ") : "";
}

function forget() {
  for (const kept of [state.peers, state.routes, state.rates]) kept.clear();
  state.events = [];
  state.trouble = "";
  refresh();
}

async function refresh() {
  try {
    state.status = await (await ask("/admin/status")).json();
    state.own = state.status.nodeIp;
    prune();
    changed();
  } catch { /* the stream tells of the trouble */ }
}

function take(update) {
  const passed = update.time - state.time;
  for (const [key, peer] of Object.entries(update.peers ?? {})) {
    const before = state.peers.get(key);
    if (peer === null) { state.peers.delete(key); state.rates.delete(key); continue; }
    state.peers.set(key, peer);
    const last = state.times.get(key) ?? state.time;
    const over = Math.max(0.5, update.time - last);
    state.rates.set(key, before ? { in: Math.max(0, peer.rxBytes - before.rxBytes) / over, out: Math.max(0, peer.txBytes - before.txBytes) / over } : { in: 0, out: 0 });
    state.times.set(key, update.time);
  }
  if (passed > 0.5) for (const key of state.peers.keys()) if (!(key in (update.peers ?? {}))) state.rates.set(key, { in: 0, out: 0 });
  for (const [node, way] of Object.entries(update.routes ?? {})) {
    if (way === null) { const old = state.routes.get(node); state.routes.delete(node); if (old) lost.set(node, { ...old, at: update.time }); continue; }
    state.routes.set(node, { hop: way[0], ms: way[1] / 100 });
    costs.set(node, way[1] / 100);
    if (way[2]) state.names.set(node, way[2]);
    lost.delete(node);
  }
  if (update.events) state.events.push(...update.events);
  if (state.events.length > 4096) state.events.splice(0, state.events.length - 4096);
  state.time = update.time;
  state.heardAt = performance.now();
  measure();
  changed();
}

const lost = new Map(); // node -> its last way, and when it was lost
const costs = new Map(); // node -> ms of its last way

/* -- what was measured, for sparklines -- */

function note(key, value) {
  const bucket = Math.floor(state.time * 1000 / BUCKET_MS);
  if (!state.histories.has(key)) state.histories.set(key, []);
  const kept = state.histories.get(key);
  if (kept.at(-1)?.[0] === bucket) kept.at(-1)[1] = value;
  else kept.push([bucket, value]);
  if (kept[0][0] < bucket - KEPT_MS / BUCKET_MS) kept.shift();
}

function prune() { // forgets what no slider and no sparkline shows any more
  for (const [key, kept] of state.histories) if (kept.at(-1)[0] < (state.time * 1000 - KEPT_MS) / BUCKET_MS) state.histories.delete(key);
  for (const [node, { at }] of lost) if (at < state.time - GONE_S) lost.delete(node);
  for (const node of costs.keys()) if (costs.size > state.routes.size + 4096) { costs.delete(node); state.names.delete(node); }
}

function measure() {
  for (const [key, peer] of state.peers) {
    const speed = state.rates.get(key);
    note(`rtt ${key}`, peer.rttMs ?? null);
    note(`loss ${key}`, peer.loss ?? null);
    note(`rate ${key}`, speed ? speed.in + speed.out : null);
  }
  for (const [node, { ms: cost }] of state.routes) note(node, cost);
}

function line(key, { height = 20, floor = 0, least = 0 } = {}) { // the path of a sparkline, 120 wide; `least`: what its height stands for at least
  const points = state.histories.get(key) ?? [], end = Math.floor(state.time * 1000 / BUCKET_MS), width = KEPT_MS / BUCKET_MS;
  const top = Math.max(least, ...points.map(([, value]) => value ?? 0)) * 1.25 || 1;
  let path = "", isDown = false;
  for (const [bucket, value] of points) {
    if (value === null) { isDown = false; continue; }
    const x = width - (end - bucket), y = height - 1 - (Math.max(0, value - floor) / top) * (height - 3);
    path += `${isDown ? "L" : "M"}${x} ${y.toFixed(1)}`;
    if (!isDown) path += `h.1`;
    isDown = true;
  }
  return path;
}

function spark(key, words, options = {}) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), height = options.height ?? 20;
  for (const [name, value] of Object.entries({ viewBox: `0 0 120 ${height}`, preserveAspectRatio: "none", class: `spark ${options.height ? "wide" : ""}`, role: "img", "aria-label": words })) svg.setAttribute(name, value);
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", line(key, options));
  svg.append(path);
  return svg;
}

/* -- the moment that is shown -- */

const isAlive = (peer) => peer.connectionState === "alive";
const peerOf = (address) => [...state.peers].find(([, peer]) => peer.address === address) ?? [null, null];
const entriesAlive = () => [...state.peers.values()].filter(isAlive).length;

function shownNow() { // {ways, links, gone} at the moment that is shown
  const alive = new Map([...state.peers].filter(([, peer]) => peer.address && isAlive(peer)).map(([key, peer]) => [peer.address, key]));
  let ways = state.routes, linked = alive.keys(), time = state.time;
  if (state.moment !== null) {
    time = state.moment;
    ({ ways, links: linked } = rewound(state.routes, alive.keys(), state.events, time, (node) => costs.get(node) ?? null));
  }
  const links = new Map([...linked].map((address) => [address, linkOf(alive.get(address))]));
  const gone = state.moment !== null ? [] : [...lost].filter(([node, { at }]) => at > time - GONE_S && !ways.has(node));
  return { ways, links, gone: new Map(gone) };
}

function linkOf(key) {
  const peer = state.peers.get(key), speed = state.rates.get(key) ?? { in: 0, out: 0 };
  if (!peer || state.moment !== null) return { level: 0, rate: 0 };
  return { level: level(peer.loss), note: peer.loss >= 0.01 ? percent(peer.loss) : "", rate: speed.in + speed.out };
}

/* -- painting -- */

let isDue = false;
const map = new MeshMap($("map"), { onPick: (id) => choose(id, { isFromMap: true }), onPoint: tip });

function changed() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; paint(); });
}

function paint() {
  const shown = shownNow();
  if (state.own) map.show(state.mesh ? meshNow() : myView({ own: state.own, ...shown, name: short, others: others() }));
  map.light(lights);
  paintTold();
  paintHead();
  paintOwn();
  paintDetails(shown);
  paintLinks();
  paintEvents();
  paintRewind();
  $("empty").hidden = !state.own || shown.ways.size > 0;
  if (!shown.ways.size) $("empty").textContent = state.moment !== null ? "No other node was reached then." : state.peers.size ? "No other node is reached yet." : "No peers yet: mycelium peers add HOST:9651";
}

function paintHead() {
  const isGone = state.trouble || (state.heardAt && performance.now() - state.heardAt > SILENT_MS);
  const words = isGone ? state.trouble || "no word from the daemon" : state.moment !== null ? "Rewound" : state.heardAt ? "Live" : "Connecting";
  if ($("state").textContent !== words) $("state").textContent = words;
  $("state").className = isGone ? "gone" : state.moment !== null ? "past" : "";
  document.title = `${entriesAlive()} of ${state.peers.size} peers alive – Mycelium`;
}

function paintOwn() {
  const { status } = state;
  if (!status) return;
  const speeds = [...state.rates.values()], sum = (way) => rate(speeds.reduce((total, one) => total + one[way], 0));
  const value = (name, [number, unit]) => el("div", {}, el("dt", {}, name), el("dd", {}, number, " ", el("small", {}, unit)));
  const uptime = status.uptimeS + (performance.now() - (status.at ??= performance.now())) / 1000;
  fill($("own"), el("h2", {}, "This node", el("small", {}, `up ${span(uptime)}`)), full(status.nodeIp),
    el("dl", { class: "big" }, value("In", sum("in")), value("Out", sum("out")),
      value("Peers alive", [String(entriesAlive()), `of ${state.peers.size}`]), value("Nodes reached", [String(state.routes.size), ""])),
    el("p", { class: "quiet" }, `Version ${status.version}, interface ${status.tun ?? "none"}`),
    ...[status.tunFault, status.keyShared].filter(Boolean).map((words) => el("p", { class: "alarm" }, words)));
}

function full(address) {
  return el("div", { class: "full" }, el("span", { class: "address" }, address),
    el("button", { class: "small", "aria-label": `Copy ${address}`, onclick: (event) => copy(address, event.target) }, "Copy"));
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.previousSibling);
    button.textContent = "Selected";
  }
}

function fill(place, ...children) { // keeps what has the focus or is being used
  if (place.contains(document.activeElement) && document.activeElement !== place) {
    const { tagName, textContent } = document.activeElement;
    place.replaceChildren(...children);
    [...place.querySelectorAll(tagName)].find((one) => one.textContent === textContent)?.focus({ preventScroll: true });
  } else place.replaceChildren(...children);
}

/* -- the node that is chosen -- */

function choose(id, { isFromMap = false } = {}) {
  state.picked = id;
  state.learnt = {};
  if (!isFromMap) map.pick(id);
  changed();
  if (id && id !== state.own) learn(EXPLAIN, id);
}

async function learn(what, id) {
  try {
    const told = await (await ask(`/admin/${what}/${id}`)).json();
    if (state.picked === id) state.learnt[what] = told;
    changed();
  } catch { /* the node is forgotten: the rest is shown */ }
}

function nameButton(id) {
  return el("button", { class: "name", title: id, onclick: () => choose(id) }, short(id));
}

function paintDetails({ ways }) {
  const id = state.picked, place = $("details");
  place.hidden = !id;
  $("legend").hidden = Boolean(id);
  if (!id) return;
  const [key, peer] = peerOf(id), way = ways.get(id);
  const kind = peer ? "neighbour" : way ? "reached through others" : "not reached";
  fill(place, el("h2", {}, short(id), el("small", {}, kind)), full(id), ...(id === state.own ? [] : [...wayTo(id, way), ...measured(id, key, peer)]), ...linksTold(id), ...(id === state.own ? [] : [...choices(), ...trace(id)]));
}

function wayTo(id, way) {
  if (!way) return [el("p", {}, lost.has(id) ? `No way there since ${clock(lost.get(id).at)}.` : "No way there.")];
  const hops = way.hop === id ? [] : [" → ", nameButton(way.hop), way.ms === null ? "" : " → … "];
  return [el("p", { class: "way" }, "this node", ...hops, " → ", el("b", {}, short(id)), way.hop === id ? " directly" : ""),
    el("p", {}, way.ms === null ? "How long the way was then is not kept." : `Cost of the way: ${ms(way.ms)}`)];
}

function measured(id, key, peer) {
  if (!peer) return [el("h3", {}, "Cost of the way, last 10 minutes"), spark(id, `Cost of the way to ${short(id)}`, { height: 44 })];
  return [el("p", {}, `Round trip ${ms(peer.rttMs)}, loss ${percent(peer.loss)}`), el("p", { class: "quiet address" }, `${peer.endpoint.scheme}://${peer.endpoint.socketAddr}`),
    el("p", { class: "quiet address" }, `Key ${peer.publicKey.slice(0, 16)}…`), el("h3", {}, "Round trip, last 10 minutes"), spark(`rtt ${key}`, `Round trip to ${short(id)}`, { height: 44 })];
}

function linksTold(id) { // as both ends tell them
  const node = state.mesh?.get(id);
  if (!node) return [];
  const words = (end, of) => end ? `${of} ${end.suspect ? "in doubt" : ms(end.rttMs)}${end.loss >= 0.001 ? `, ${percent(end.loss)}` : ""}` : `${of} not told`;
  const ends = new Map([...state.mesh].filter(([, one]) => one.links[id]).map(([other, one]) => [other, one.links[id]]));
  const all = [...new Set([...Object.keys(node.links), ...ends.keys()])].slice(0, SHOWN);
  return all.length ? table("Its links: round trip and loss at both ends", all.map((other) => [nameButton(other), "", words(node.links[other], "here"), words(ends.get(other), "there")])) : [];
}

function others() { // the ways that were not chosen
  const usable = (state.learnt[EXPLAIN]?.candidates ?? []).filter((one) => one.verdict !== "chosen" && one.cost !== null);
  return state.moment === null ? usable.map((one) => [one.nextHop, state.picked]) : [];
}

const VERDICTS = { chosen: "in use", longer: "would be longer", avoided: "what took it did not arrive", damped: "its link fails often", unfeasible: "might lead back here", suspected: "does not answer at present", retracted: "has no way there any more" };

const table = (title, rows) => [el("h3", {}, title), el("table", { class: "choice" }, ...rows.map(([left, under, right, below]) =>
  el("tr", {}, el("td", {}, left, el("small", {}, under)), el("td", {}, right, el("small", {}, below)))))];

function choices() {
  const found = state.learnt[EXPLAIN]?.candidates ?? [];
  return found.length ? table("Neighbours that lead there", found.map((one) => [nameButton(one.nextHop), VERDICTS[one.verdict] ?? one.verdict, ms(one.cost === null ? null : one.cost / 100), `link ${ms(one.linkCost / 100)}`])) : [];
}

function trace(id) {
  const told = state.learnt.trace;
  if (!told) return [el("p", {}, el("button", { class: "small", onclick: (event) => { event.target.disabled = true; learn("trace", id); } }, "Trace the way"))];
  return table(told.error ?? "The way, hop by hop", told.hops.map((one) => [one.node ? nameButton(one.node) : "no answer", "", ms(one.medianMs), ""]));
}

/* -- links -- */

const speed = (key) => { const now = state.rates.get(key); return now ? now.in + now.out : 0; };
const COLUMNS = [
  { id: "name", title: "Neighbour", sorts: ([, peer]) => peer.address ? short(peer.address) : peer.url ?? "" },
  { id: "at", title: "Reached at", isWide: true, sorts: ([, peer]) => peer.endpoint.socketAddr },
  { id: "rtt", title: "Round trip", isNumber: true, sorts: ([, peer]) => peer.rttMs ?? Infinity },
  { id: "loss", title: "Loss", isNumber: true, sorts: ([, peer]) => peer.loss ?? -1 },
  { id: "rate", title: "Rate", isNumber: true, sorts: ([key]) => speed(key) },
];

function paintLinks() {
  const { by, up } = state.sort, column = COLUMNS.find(({ id }) => id === by);
  fill($("columns"), ...COLUMNS.map(({ id, title, isNumber, isWide }) => el("th", { scope: "col", class: isNumber ? "number" : isWide ? "wide" : "", "aria-sort": id === by ? (up ? "ascending" : "descending") : null },
    el("button", { onclick: () => { state.sort = { by: id, up: id === by ? !up : !isNumber }; paintLinks(); } }, title))));
  const sorted = [...state.peers].map((entry) => [column.sorts(entry), entry]).sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0) * (up ? 1 : -1));
  fill($("rows"), ...sorted.slice(0, SHOWN).map(([, entry]) => row(...entry)));
}

function row(key, peer) {
  const measureCell = (kind, words, name, options) => el("td", { class: "number" }, el("div", { class: "measure" }, spark(`${kind} ${key}`, name, options), el("span", {}, words)));
  const open = () => peer.address && choose(peer.address);
  const name = peer.address ? el("button", { class: "name", title: peer.address }, short(peer.address)) : el("span", { title: peer.url }, peer.url ?? peer.endpoint.socketAddr);
  const cells = [el("td", {}, el("i", { class: `dot ${peer.connectionState}` }), name, isAlive(peer) ? "" : ` ${peer.connectionState}`),
    el("td", { class: "wide at address", title: peer.endpoint.socketAddr }, `${peer.endpoint.scheme}://${peer.endpoint.socketAddr}`)];
  if (!isAlive(peer)) cells.push(el("td", { colspan: 3, class: "trouble" }, peer.lastError ?? ""));
  else {
    const [number, unit] = rate(speed(key));
    cells.push(measureCell("rtt", ms(peer.rttMs), "Round trip", { least: 0.5 }), measureCell("loss", percent(peer.loss), "Loss", { least: 0.02 }), measureCell("rate", `${number} ${unit}`, "Rate", { least: 1000 }));
    cells[3].classList.add(["well", "warn", "bad"][level(peer.loss)]);
  }
  return el("tr", { class: peer.address && peer.address === state.picked ? "picked" : "", onclick: open }, ...cells);
}

/* -- events -- */

const SIGNS = { "link-up": ["▲", "up"], "link-trusted": ["▲", "up"], "link-down": ["▼", "down"], "link-suspect": ["◆", "doubt"], "peer-failed": ["!", "doubt"],
  route: ["↷", ""], routes: ["↷", ""], "shortcut-opened": ["▲", "up"], "key-shared": ["!", "down"] };
const KINDS = { all: "All", links: "Links", routes: "Routes" };
const isRoute = (kind) => kind === "route" || kind === "routes";
let listed = ""; // what the list shows
let lights = []; // what the event under the hand touched

function worded({ event, text }) { // with nodes by their short names
  const nodes = [event.node, event.before, event.after].filter((one) => one && !one.includes("/"));
  const parts = [text];
  for (const id of new Set(nodes)) for (let at = 0; at < parts.length; at++) {
    const found = typeof parts[at] === "string" ? parts[at].indexOf(id) : -1;
    if (found >= 0) parts.splice(at, 1, parts[at].slice(0, found), nameButton(id), parts[at].slice(found + id.length));
  }
  return parts;
}

function paintEvents() {
  const chosen = state.events.filter(({ event }) => state.kind === "all" || isRoute(event.kind) === (state.kind === "routes"));
  const key = `${state.kind} ${chosen.length} ${chosen.at(-1)?.event.sequence} ${state.moment}`;
  if (key === listed) return;
  listed = key;
  lights = [];
  const rows = chosen.slice(-SHOWN).reverse().map(eventRow);
  fill($("events"), ...(rows.length ? rows : [el("li", { class: "more quiet" }, "Nothing has happened yet.")]));
  fill($("kinds"), ...Object.entries(KINDS).map(([id, title]) => el("button", { "aria-pressed": String(id === state.kind), onclick: () => { state.kind = id; changed(); } }, title)));
}

function eventRow(one) {
  const { event } = one, [sign, kind] = SIGNS[event.kind] ?? ["·", ""], touched = [event.node, event.before, event.after].filter(Boolean);
  const light = (ids) => () => { lights = ids; map.light(ids); };
  return el("li", { class: `${kind} ${state.moment !== null && event.time > state.moment ? "later" : ""}`, tabindex: "0",
    onmouseenter: light(touched), onmouseleave: light([]), onfocus: light(touched), onblur: light([]), onkeydown: (pressed) => pressed.key === "Enter" && pressed.target.tagName === "LI" && show(event.time) },
  el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", {}, ...worded(one)),
  el("time", { datetime: new Date(event.time * 1000).toISOString(), title: "Show the map at this moment", onclick: () => show(event.time) }, clock(event.time)));
}

/* -- rewind -- */

const oldest = () => Math.min(state.events[0]?.event.time ?? state.time, state.time - 60);

function show(moment) {
  if (moment !== null) view("mine"); // what others told is not kept
  state.moment = moment;
  changed();
}

function paintRewind() {
  const from = oldest(), slider = $("slider"), now = state.moment ?? state.time, share = (now - from) / (state.time - from || 1);
  if (document.activeElement !== slider || state.moment === null) slider.value = Math.round(share * 1000);
  const words = state.moment === null ? "now" : `${clock(now)}, ${span(state.time - now)} ago`;
  $("moment").textContent = words;
  slider.setAttribute("aria-valuetext", words);
  $("live").setAttribute("aria-pressed", String(state.moment === null));
  paintMarks(from);
}

function paintMarks(from) {
  const canvas = $("marks"), { width, height } = canvas.getBoundingClientRect(), dots = devicePixelRatio, pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
  canvas.width = width * dots;
  canvas.height = height * dots;
  pen.scale(dots, dots);
  for (const { event } of state.events) {
    const [, kind] = SIGNS[event.kind] ?? ["", ""];
    pen.fillStyle = style.getPropertyValue({ down: "--bad", doubt: "--warn", up: "--accent" }[kind] ?? "--muted");
    const tall = kind === "down" ? 1 : kind ? 0.7 : 0.4;
    pen.fillRect(Math.round((event.time - from) / (state.time - from || 1) * (width - 2)), height * (1 - tall), 2, height * tall);
  }
}

/* -- search and hands -- */

let at = 0; // which of the nodes found

function found() {
  const text = $("search").value.trim().toLowerCase();
  if (!text) return [];
  const keys = new Map([...state.peers.values()].filter((peer) => peer.address).map((peer) => [peer.address, peer]));
  const matches = (id) => id.startsWith(text) || keys.get(id)?.publicKey?.startsWith(text) || keys.get(id)?.url?.includes(text);
  return [...new Set([state.own, ...keys.keys(), ...state.routes.keys()])].filter((id) => id && (matches(id) || short(id).toLowerCase().startsWith(text))).slice(0, 12);
}

function paintFound() {
  const ids = found(), hasText = Boolean($("search").value.trim());
  at = Math.min(at, Math.max(0, ids.length - 1));
  $("found").hidden = !hasText;
  $("search").setAttribute("aria-expanded", String(hasText));
  $("search").setAttribute("aria-activedescendant", ids.length ? `found${at}` : "");
  $("found").replaceChildren(...(ids.length ? ids.map((id, index) => el("li", { id: `found${index}`, role: "option", "aria-selected": String(index === at), onmousedown: () => reach(id) },
    el("span", { class: "address" }, state.names.get(id) ?? id), el("small", {}, id === state.own ? "this node" : ms(state.routes.get(id)?.ms)))) : [el("li", { class: "none", role: "option", "aria-selected": "false" }, "No such node")]));
}

function reach(id) {
  $("search").value = "";
  paintFound();
  choose(id);
}

function tip(node, where) {
  $("tip").hidden = !node;
  if (!node) return;
  const way = shownNow().ways.get(node.id), [, peer] = peerOf(node.id);
  $("tip").replaceChildren(el("b", {}, short(node.id)), el("span", { class: "address" }, node.id),
    node.id === state.own ? "" : way ? `${way.ms === null ? "" : `${ms(way.ms)} `}${way.hop === node.id ? "directly" : `via ${short(way.hop)}`}${peer?.loss >= 0.01 ? `, loses ${percent(peer.loss)}` : ""}` : "not reached");
  const { width } = $("view").getBoundingClientRect();
  $("tip").style.left = `${Math.max(4, Math.min(where.x + 14, width - $("tip").offsetWidth - 6))}px`;
  $("tip").style.top = `${Math.max(4, where.y + 14)}px`;
}

$("search").addEventListener("input", () => { at = 0; paintFound(); });
$("search").addEventListener("blur", () => { $("found").hidden = true; });
$("search").addEventListener("keydown", (event) => {
  const ids = found(), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) { at = (at + step + ids.length) % (ids.length || 1); paintFound(); event.preventDefault(); }
  else if (event.key === "Enter" && ids[at]) { reach(ids[at]); $("map").focus(); }
  else if (event.key === "Escape") { $("search").value = ""; paintFound(); }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT/.test(document.activeElement.tagName)) { $("search").focus(); event.preventDefault(); }
  if (event.key === "Escape" && document.activeElement === document.body) choose(null);
});
$("slider").addEventListener("input", () => {
  const share = $("slider").value / 1000, from = oldest();
  show(share >= 1 ? null : from + share * (state.time - from));
});
$("live").addEventListener("click", () => show(null));
for (const one of ["mine", "mesh"]) $(one).addEventListener("click", () => view(one));
$("closer").addEventListener("click", () => map.zoomBy(1.5));
$("wider").addEventListener("click", () => map.zoomBy(1 / 1.5));
$("fit").addEventListener("click", () => map.fit());
setInterval(refresh, 15_000);
setInterval(changed, 1_000); // uptime, and a daemon that has gone silent
if (innerWidth < 1081) $("legend").open = false;
follow();
