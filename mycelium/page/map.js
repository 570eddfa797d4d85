"use strict";
/* A map on a canvas that is panned, zoomed, pointed at and walked through by keys. It knows nothing of meshes: the daemon's page
   and the simulator's report hand it a scene, in which the unit of length is up to them:
     rings    {r, label}                                   circles around the origin
     sectors  {from, to}                                   angles of the lines between them
     nodes    {id, x, y, size, kind, level, label, rank, via}   kind: self, near, far, lost; labels of a lower rank come first
     links    {a, b, width, level, dotted, dashed, bow, alpha, mutual, note}   a, b: nodes; level: 0 well, 1 fair, 2 bad; note: shown
              at the middle; mutual: either end lights it
*/
const MOVE_MS = 350; // how long a node takes to its new place
const REACH = 16; // pixels from a node within which it is meant
const ZOOM = [0.5, 40];

class MeshMap {
  constructor(canvas, { onPick = () => {}, onPoint = () => {} } = {}) {
    this.canvas = canvas;
    this.onPick = onPick;
    this.onPoint = onPoint;
    this.scene = { rings: [], sectors: [], nodes: [], links: [] };
    this.byId = new Map();
    this.places = new Map(); // id -> where it is drawn, on its way to its place
    this.lit = new Set();
    this.picked = this.pointed = null;
    this.zoom = 1;
    this.shift = { x: 0, y: 0 };
    this.pointers = new Map();
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => { this.colours = null; this.draw(); });
    new ResizeObserver(() => this.resize()).observe(canvas);
    for (const [name, act] of Object.entries({
      pointerdown: this.press, pointermove: this.move, pointerup: this.lift, pointercancel: this.lift,
      pointerleave: () => this.point(null), wheel: this.wheel, keydown: this.key,
    })) canvas.addEventListener(name, act.bind(this), { passive: false });
    this.resize();
  }

  /* -- what is shown -- */

  show(scene) {
    this.scene = scene;
    this.byId = new Map(scene.nodes.map((node) => [node.id, node]));
    const before = this.places;
    this.places = new Map(scene.nodes.map((node) => [node.id, before.get(node.id) ?? { x: node.x, y: node.y }]));
    this.movedAt = performance.now();
    this.origins = this.still.matches ? null : new Map([...this.places].map(([id, at]) => [id, { ...at }]));
    this.draw();
  }

  pick(id) {
    this.picked = id;
    this.draw();
  }

  light(ids) {
    this.lit = new Set(ids);
    this.draw();
  }

  fit() {
    this.zoom = 1;
    this.shift = { x: 0, y: 0 };
    this.draw();
  }

  zoomBy(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    const zoom = Math.min(ZOOM[1], Math.max(ZOOM[0], this.zoom * factor));
    const by = zoom / this.zoom;
    this.shift.x = (at.x - this.width / 2) * (1 - by) + this.shift.x * by;
    this.shift.y = (at.y - this.height / 2) * (1 - by) + this.shift.y * by;
    this.zoom = zoom;
    this.draw();
  }

  /* -- places -- */

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const dots = devicePixelRatio;
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(height * dots);
    this.dots = dots;
    this.draw();
  }

  get unit() { // pixels of one unit of the scene
    return Math.max(40, Math.min(this.width, this.height) / 2 - 26) * this.zoom;
  }

  toPixels({ x, y }) {
    return { x: this.width / 2 + this.shift.x + x * this.unit, y: this.height / 2 + this.shift.y + y * this.unit };
  }

  step(now) { // moves nodes towards their places; tells whether they are on the way
    const part = this.origins ? Math.min(1, (now - this.movedAt) / MOVE_MS) : 1;
    const eased = 1 - (1 - part) ** 3;
    for (const node of this.scene.nodes) {
      const from = this.origins?.get(node.id) ?? node;
      const at = this.places.get(node.id);
      at.x = from.x + (node.x - from.x) * eased;
      at.y = from.y + (node.y - from.y) * eased;
    }
    if (part === 1) this.origins = null;
    return part < 1;
  }

  /* -- drawing -- */

  draw() {
    this.frame ??= requestAnimationFrame((now) => {
      this.frame = null;
      const moves = this.step(now);
      this.paint();
      if (moves) this.draw();
    });
  }

  palette() {
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.font = style.fontFamily;
    return { ink: colour("ink"), muted: colour("muted"), dim: colour("dim"), line: colour("line"), surface: colour("surface"),
      accent: colour("accent"), levels: [colour("accent"), colour("warn"), colour("bad")] };
  }

  paint() {
    const pen = this.pen = this.canvas.getContext("2d");
    this.colours ??= this.palette();
    pen.setTransform(this.dots, 0, 0, this.dots, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.lineCap = "round";
    this.taken = []; // boxes of labels
    this.spots = new Map([...this.places].map(([id, at]) => [id, this.toPixels(at)]));
    this.onWay = new Set(); // what is lit, with the nodes on the way there
    for (const id of [this.picked, this.pointed, ...this.lit]) {
      for (let node = this.byId.get(id); node && !this.onWay.has(node.id); node = this.byId.get(node.via)) this.onWay.add(node.id);
    }
    this.paintRings();
    this.scene.links.forEach((link) => this.paintLink(link));
    this.scene.nodes.forEach((node) => this.paintNode(node));
    this.paintHalo();
    this.paintNotes();
    this.paintLabels();
    pen.font = `11px ${this.font}`;
    for (const { label, r } of this.scene.rings) this.text(label, this.toPixels({ x: 0, y: -r }), this.colours.muted);
  }

  paintRings() {
    const { pen, colours } = this;
    const centre = this.toPixels({ x: 0, y: 0 });
    pen.lineWidth = 1;
    pen.strokeStyle = colours.line;
    const inner = (this.scene.rings[0]?.r ?? 0) * this.unit, outer = (this.scene.rings.at(-1)?.r ?? 1) * this.unit;
    if (this.scene.sectors.length > 1) {
      for (const { from } of this.scene.sectors) this.stroke((p) => {
        p.moveTo(centre.x + Math.cos(from) * inner, centre.y + Math.sin(from) * inner);
        p.lineTo(centre.x + Math.cos(from) * outer, centre.y + Math.sin(from) * outer);
      });
    }
    for (const ring of this.scene.rings) {
      this.stroke((p) => p.arc(centre.x, centre.y, ring.r * this.unit, 0, 2 * Math.PI));
    }
  }

  stroke(path) {
    this.pen.beginPath();
    path(this.pen);
    this.pen.stroke();
  }

  paintLink(link) {
    const { pen, colours } = this;
    const a = this.spots.get(link.a), b = this.spots.get(link.b);
    if (!a || !b) return;
    const isLit = (this.onWay.has(link.b) || (link.mutual && this.onWay.has(link.a))) && !link.dotted;
    pen.strokeStyle = link.bow && !isLit ? colours.muted : colours.levels[link.level ?? 0];
    pen.globalAlpha = isLit ? 0.9 : link.alpha ?? 0.9;
    pen.lineWidth = link.width + (isLit ? 1 : 0);
    pen.setLineDash(link.dotted ? [1, 5] : link.dashed ? [7, 5] : []);
    const middle = link.middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    if (link.bow) { // a curve that leaves its node in the direction from the origin
      const centre = this.toPixels({ x: 0, y: 0 });
      const far = Math.hypot(b.x - centre.x, b.y - centre.y), near = Math.hypot(a.x - centre.x, a.y - centre.y) || 1;
      const reach = (near + Math.max(near, far)) / 2 / near;
      middle.x = centre.x + (a.x - centre.x) * reach;
      middle.y = centre.y + (a.y - centre.y) * reach;
    }
    this.stroke((p) => {
      p.moveTo(a.x, a.y);
      if (link.bow) p.quadraticCurveTo(middle.x, middle.y, b.x, b.y);
      else p.lineTo(b.x, b.y);
    });
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  isLit(id) {
    return id === this.picked || id === this.pointed || this.lit.has(id);
  }

  paintNode(node) {
    const { pen, colours } = this;
    const at = this.spots.get(node.id);
    const size = node.size * Math.min(1.6, Math.sqrt(this.zoom));
    pen.beginPath();
    pen.arc(at.x, at.y, size, 0, 2 * Math.PI);
    pen.lineWidth = 2;
    pen.fillStyle = { self: colours.accent, near: colours.surface, lost: colours.surface }[node.kind] ?? (this.onWay.has(node.id) ? colours.accent : colours.dim);
    pen.strokeStyle = { near: colours.accent, lost: colours.muted }[node.kind] ?? colours.surface;
    if (node.level) pen.strokeStyle = colours.levels[node.level];
    if (node.kind === "lost") pen.setLineDash([2, 3]);
    pen.fill();
    if (node.kind !== "far") pen.stroke();
    pen.setLineDash([]);
  }

  paintHalo() {
    const { pen, colours } = this;
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 2;
    for (const id of [this.picked, this.pointed, ...this.lit]) {
      const at = this.spots.get(id);
      if (at) this.stroke((p) => p.arc(at.x, at.y, this.byId.get(id).size * Math.min(1.6, Math.sqrt(this.zoom)) + 5, 0, 2 * Math.PI));
    }
  }

  paintNotes() {
    this.pen.textAlign = "center";
    this.pen.textBaseline = "middle";
    this.pen.font = `600 11px ${this.font}`;
    for (const { note, middle, level } of this.scene.links) if (note && middle) this.text(note, middle, this.colours.levels[level]);
  }

  paintLabels() {
    this.pen.font = `12px ${this.font}`;
    const shown = this.scene.nodes.filter((node) => node.label && (node.rank < 2 || this.scene.nodes.length < 60 || this.zoom > 3 || this.isLit(node.id)));
    shown.sort((one, other) => this.isLit(other.id) - this.isLit(one.id) || one.rank - other.rank);
    const dots = shown.length < 400 ? [...this.spots.values()] : [];
    for (const node of shown) {
      const at = this.spots.get(node.id);
      if (at.x < 0 || at.y < 0 || at.x > this.width || at.y > this.height) continue;
      const gap = node.size * Math.min(1.6, Math.sqrt(this.zoom)) + 11;
      const isMain = node.rank < 2 || this.isLit(node.id);
      for (const y of [at.y + gap, at.y - gap]) {
        const isFree = isMain || !dots.some((dot) => Math.abs(dot.x - at.x) < 34 && Math.abs(dot.y - y) < 9);
        if (isFree && this.text(node.label, { x: at.x, y }, isMain ? this.colours.ink : this.colours.muted)) break;
      }
    }
  }

  text(words, at, colour) { // on a ground that keeps it legible; tells whether there was room
    const { pen } = this;
    const half = pen.measureText(words).width / 2 + 3;
    const box = { left: at.x - half, right: at.x + half, top: at.y - 8, bottom: at.y + 8 };
    if (this.taken.some((one) => box.left < one.right && box.right > one.left && box.top < one.bottom && box.bottom > one.top)) return false;
    this.taken.push(box);
    pen.lineJoin = "round";
    pen.lineWidth = 4;
    pen.strokeStyle = this.colours.surface;
    pen.strokeText(words, at.x, at.y);
    pen.fillStyle = colour;
    pen.fillText(words, at.x, at.y);
    return true;
  }

  /* -- hands -- */

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  nearest(at) {
    let best = null, distance = REACH;
    for (const [id, spot] of this.spots ?? []) {
      const away = Math.hypot(spot.x - at.x, spot.y - at.y);
      if (away < distance) [best, distance] = [id, away];
    }
    return best;
  }

  point(id, at) {
    if (id === this.pointed && !at) return;
    this.pointed = id;
    this.canvas.style.cursor = id === null ? "grab" : "pointer";
    this.onPoint(id === null ? null : this.byId.get(id), at);
    this.draw();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    this.travelled = 0;
  }

  move(event) {
    const now = this.at(event), before = this.pointers.get(event.pointerId);
    if (!before) return this.point(this.nearest(now), now);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.pointers.set(event.pointerId, now);
    this.travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (others.length) {
      const [other] = others;
      const was = Math.hypot(before.x - other.x, before.y - other.y), is = Math.hypot(now.x - other.x, now.y - other.y);
      return this.zoomBy(is / (was || 1), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    }
    this.shift.x += now.x - before.x;
    this.shift.y += now.y - before.y;
    this.draw();
  }

  lift(event) {
    const isClick = this.pointers.size === 1 && this.travelled < 6 && event.type === "pointerup";
    this.pointers.delete(event.pointerId);
    if (isClick) this.choose(this.nearest(this.at(event)));
  }

  choose(id) {
    this.pick(id);
    this.onPick(id);
  }

  wheel(event) {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 400), this.at(event));
  }

  key(event) {
    const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const acts = { "+": () => this.zoomBy(1.4), "-": () => this.zoomBy(1 / 1.4), 0: () => this.fit(),
      Escape: () => this.choose(null) };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrows[event.key]) this.walk(...arrows[event.key]);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }

  walk(dx, dy) { // to the nearest node in a direction
    const from = this.spots.get(this.picked) ?? this.toPixels({ x: 0, y: 0 });
    let best = null, least = Infinity;
    for (const [id, at] of this.spots) {
      const along = (at.x - from.x) * dx + (at.y - from.y) * dy, across = Math.abs((at.x - from.x) * dy) + Math.abs((at.y - from.y) * dx);
      if (id !== this.picked && along > 2 && along + 2 * across < least) [best, least] = [id, along + 2 * across];
    }
    if (best !== null) this.choose(best);
  }
}
