// FlameGraph draws a tree into a canvas: some hundred thousand nodes, of which those that are wide enough to be seen are
// drawn. A tree is { n, name, parent, end, depth, totals, label }: nodes in preorder, end is behind the last below each.

const rowHeight = () => Math.round(scaled(18));

class FlameGraph {
  // options: colour(i, tree) of a frame, describe(i, tree) for the line below, up(): whether the root is at the bottom,
  // width(i, tree): what a frame is worth, if not its total, or the mean of both sides, and
  // actions(i, tree): what can be done with a frame that was clicked, as { name, run }.
  constructor(parent, options) {
    this.options = options;
    this.box = element("div", { className: "flame", tabIndex: 0 }, parent);
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-label", "flame graph: arrows move, Enter zooms in, Escape zooms out");
    this.space = element("div", { className: "space" }, this.box);
    this.canvas = element("canvas", {}, this.space);
    const below = element("div", { className: "details" }, parent);
    this.line = element("p", {}, below);
    this.line.setAttribute("aria-live", "polite");
    this.actions = element("p", {}, below);
    this.tree = null;
    this.focus = 0;
    this.at = -1;
    this.drawn = [];
    this.listen();
  }

  listen() {
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.box.addEventListener("scroll", () => this.paint());
    this.canvas.addEventListener("mousemove", (e) => this.over(this.hit(e)));
    this.canvas.addEventListener("mouseleave", () => this.over(-1));
    this.canvas.addEventListener("click", (e) => { const i = this.hit(e); if (i >= 0) { this.at = i; this.zoom(i); } });
    this.box.addEventListener("keydown", (e) => this.key(e));
  }

  // show draws another tree. What was zoomed into stays, where the new tree has it.
  show(tree) {
    const path = [];
    for (let i = this.focus; this.tree && i > 0; i = this.tree.parent[i]) path.unshift(this.tree.label(this.tree.name[i]));
    this.tree = tree;
    this.focus = 0;
    this.at = -1;
    for (const name of path) {
      const next = tree ? childNamed(tree, this.focus, name) : -1;
      if (next < 0) break;
      this.focus = next;
    }
    this.marks = null;
    this.draw();
    this.over(-1);
  }

  mark(marks) { this.marks = marks; this.paint(); }

  zoom(i) {
    this.focus = i;
    this.draw();
    this.over(i);
  }

  // width is what a node is worth: of two sides, their mean.
  width(i) {
    const t = this.tree.totals;
    if (this.options.width) return this.options.width(i, this.tree);
    return t.length > 1 ? (t[0][i] + t[1][i]) / 2 : t[0][i];
  }

  // draw finds out where the nodes are.
  draw() {
    const t = this.tree, w = this.box.clientWidth;
    this.drawn = [];
    if (!t || t.n === 0 || w === 0 || this.width(0) <= 0) { this.space.style.height = "0"; this.paint(); return; }
    for (let i = t.parent[this.focus]; i >= 0; i = t.parent[i]) this.drawn.push({ i, x: 0, w, above: true });
    const scale = w / (this.width(this.focus) || 1), x = new Map(), f = this.focus;
    let rows = t.depth[f];
    x.set(f, 0);
    for (let i = f; i < t.end[f]; ) {
      const left = x.get(i === f ? f : t.parent[i]), size = this.width(i) * scale;
      if (i !== f) x.set(t.parent[i], left + size);
      if (size < 0.4) { i = t.end[i]; continue; }
      this.drawn.push({ i, x: left, w: size, above: false });
      rows = Math.max(rows, t.depth[i]);
      if (i !== f) x.set(i, left);
      else x.set(f, 0);
      i++;
    }
    this.rows = rows + 1;
    this.space.style.height = this.rows * rowHeight() + "px";
    if (this.options.up()) this.box.scrollTop = this.rows * rowHeight();
    this.paint();
  }

  top(depth) { return (this.options.up() ? this.rows - 1 - depth : depth) * rowHeight(); }

  // paint draws what is in view.
  paint() {
    const w = this.box.clientWidth, h = this.drawn.length > 0 ? Math.min(this.box.clientHeight, this.rows * rowHeight()) : 0;
    const g = canvasOf(this.canvas, w, h), theme = colours();
    g.font = `${scaled(12)}px ui-monospace, Menlo, Consolas, monospace`;
    g.textBaseline = "middle";
    const letter = g.measureText("0").width, from = this.box.scrollTop;
    for (const d of this.drawn) {
      const y = this.top(this.tree.depth[d.i]) - from;
      if (y < -rowHeight() || y > h) continue;
      this.cell(g, d, y, theme, letter);
    }
  }

  cell(g, d, y, theme, letter) {
    const marked = this.marks && this.marks[d.i], w = Math.max(d.w - (d.w > 3 ? 1 : 0), 0.5);
    g.globalAlpha = d.above ? 0.55 : this.marks && !marked ? 0.3 : 1;
    g.fillStyle = this.options.colour(d.i, this.tree);
    g.fillRect(d.x, y, w, rowHeight() - 1);
    if (marked || d.i === this.at) {
      g.lineWidth = 2;
      g.strokeStyle = theme.mark;
      if (w > 3) g.strokeRect(d.x + 1, y + 1, w - 2, rowHeight() - 3);
      else { g.fillStyle = theme.mark; g.fillRect(d.x, y, w, rowHeight() - 1); }
    }
    const fits = Math.floor((w - 6) / letter);
    if (fits >= 3) {
      g.fillStyle = inkOn(this.options.colour(d.i, this.tree), theme);
      g.fillText(fit(this.tree.label(this.tree.name[d.i]), fits), d.x + 4, y + rowHeight() / 2);
    }
    g.globalAlpha = 1;
  }

  hit(e) {
    const r = this.canvas.getBoundingClientRect(), x = e.clientX - r.left, y = e.clientY - r.top + this.box.scrollTop;
    const row = Math.floor(y / rowHeight()), depth = this.options.up() ? this.rows - 1 - row : row;
    const found = this.drawn.find((d) => this.tree.depth[d.i] === depth && x >= d.x && x < d.x + Math.max(d.w, 1));
    return found ? found.i : -1;
  }

  act(i, which) {
    const list = this.options.actions ? this.options.actions(i, this.tree) : [];
    if (list[which]) list[which].run();
  }

  over(i) {
    if (this.options.actions && this.acting !== this.at) {
      this.acting = this.at;
      const list = this.at >= 0 ? this.options.actions(this.at, this.tree) : [];
      this.actions.replaceChildren(...list.map(({ name, run }) => {
        const b = element("button", { type: "button", textContent: name });
        b.addEventListener("click", run);
        return b;
      }));
    }
    this.line.textContent = i >= 0 ? this.options.describe(i, this.tree) : this.at >= 0 ? this.options.describe(this.at, this.tree) : " ";
    this.canvas.style.cursor = i >= 0 ? "pointer" : "default";
  }

  key(e) {
    if (!this.tree || this.tree.n === 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    const t = this.tree, now = this.at >= 0 ? this.at : this.focus, up = this.options.up();
    let to = now;
    switch (e.key) {
      case up ? "ArrowUp" : "ArrowDown": to = widest(this, now); break;
      case up ? "ArrowDown" : "ArrowUp": to = Math.max(t.parent[now], 0); break;
      case "ArrowRight": to = t.end[now] < t.n && t.parent[t.end[now]] === t.parent[now] ? t.end[now] : now; break;
      case "ArrowLeft": to = before(t, now); break;
      case "Enter": this.at = now; this.zoom(now); break;
      case "Escape": this.at = -1; this.zoom(0); break;
      case "s": case "o": e.preventDefault(); this.act(now, e.key === "s" ? 0 : 1); return; // the tree may be another one now
      default: return;
    }
    e.preventDefault();
    this.at = to === now && e.key === "Escape" ? -1 : to;
    this.reveal();
    this.over(this.at);
  }

  // reveal scrolls to the frame that the keys are at.
  reveal() {
    const t = this.tree, at = this.at;
    if (at >= 0 && (at < this.focus || at >= t.end[this.focus]) && !this.drawn.some((d) => d.i === at)) { this.focus = 0; this.draw(); }
    const y = at >= 0 ? this.top(t.depth[at]) : 0;
    if (y < this.box.scrollTop) this.box.scrollTop = y;
    if (y + rowHeight() > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = y + rowHeight() - this.box.clientHeight;
    this.paint();
  }
}

// fit makes a name as long as there is room for: without the path of its package before without its end.
function fit(name, letters) {
  if (name.length > letters) name = name.replace(/^[^\s([]*\//, "");
  return name.length > letters ? name.slice(0, letters - 1) + "…" : name;
}

function childNamed(t, i, name) {
  for (let c = i + 1; c < t.end[i]; c = t.end[c]) if (t.label(t.name[c]) === name) return c;
  return -1;
}

function before(t, i) {
  const p = t.parent[i];
  let last = i;
  for (let c = p + 1; p >= 0 && c < i; c = t.end[c]) last = c;
  return last;
}

function widest(graph, i) {
  const t = graph.tree;
  let best = i;
  for (let c = i + 1; c < t.end[i]; c = t.end[c]) if (best === i || graph.width(c) > graph.width(best)) best = c;
  return best;
}

// canvasOf clears a canvas that has a size in CSS pixels, and returns what draws into it in the screen's.
function canvasOf(c, w, h) {
  const ratio = window.devicePixelRatio || 1;
  if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) {
    c.width = Math.round(w * ratio);
    c.height = Math.round(h * ratio);
    c.style.width = w + "px";
    c.style.height = h + "px";
  }
  const g = c.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, w, h);
  return g;
}

// element makes one, in parent. Text of profiles gets into a page as textContent and in no other way.
function element(name, properties, parent) {
  const e = document.createElement(name);
  Object.assign(e, properties);
  if (parent) parent.append(e);
  return e;
}
