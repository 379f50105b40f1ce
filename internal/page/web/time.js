// The timeline: how much of what is shown fell into which cell of 20 ms, and windows of it to look at or to compare.

const perSecond = (m) => Math.max(1, Math.round(1e9 / m.head.cell));

// share is how much of each row is in the cells from a to b, as a part of the row's whole; null is everything.
function share(m, w) {
  const out = new Float64Array(m.rows);
  if (!w) return out.fill(1);
  for (let r = 0; r < m.rows; r++) {
    let sum = 0;
    for (let i = m.runAt[r]; i < m.runAt[r + 1]; i++) {
      const cells = Math.min(m.runTo[i], w.to) - Math.max(m.runFrom[i], w.from);
      if (cells > 0) sum += cells * m.runTicks[i];
    }
    out[r] = m.rowTicks[r] > 0 ? sum / m.rowTicks[r] : 0;
  }
  return out;
}

// spread lays values of rows over the cells.
function spread(m, rows, values) {
  const steps = new Float64Array(m.head.cells + 1);
  for (const r of rows) {
    if (!values[r] || !m.rowTicks[r]) continue;
    const scale = values[r] / m.rowTicks[r];
    for (let i = m.runAt[r]; i < m.runAt[r + 1]; i++) {
      steps[m.runFrom[i]] += m.runTicks[i] * scale;
      steps[m.runTo[i]] -= m.runTicks[i] * scale;
    }
  }
  for (let c = 1; c < steps.length; c++) steps[c] += steps[c - 1];
  return steps;
}

// HeatMap draws a column for each second, from top to bottom, or for several where there are more than fit.
class HeatMap {
  constructor(parent, page) {
    this.page = page;
    this.line = element("p", { className: "windows" }, parent);
    this.box = element("div", { className: "heat", tabIndex: 0 }, parent);
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-label", "time: arrows move, Shift and arrows extend, Enter looks at the window, c compares with it, Escape clears");
    this.canvas = element("canvas", {}, this.box);
    this.cursor = { from: 0, to: 1 };
    this.values = new Float64Array(1);
    new ResizeObserver(() => this.paint()).observe(this.box);
    this.pointer();
    this.box.addEventListener("keydown", (e) => this.key(e));
  }

  pointer() {
    const c = this.canvas;
    let begin = -1;
    c.addEventListener("pointerdown", (e) => { begin = this.cellAt(e); c.setPointerCapture(e.pointerId); this.drag(begin, begin); });
    c.addEventListener("pointermove", (e) => {
      const at = this.cellAt(e);
      if (begin >= 0) this.drag(begin, at);
      else this.say(at);
    });
    c.addEventListener("pointerup", (e) => { if (begin >= 0) this.choose(e.shiftKey || this.page.comparing); begin = -1; });
    c.addEventListener("pointercancel", () => { begin = -1; });
    c.addEventListener("pointerleave", () => this.say(-1));
  }

  drag(a, b) {
    this.cursor = { from: Math.min(a, b), to: Math.min(this.page.m.head.cells, Math.max(a, b) + this.per) }; // all of the last mark
    this.touched = true;
    this.paint();
  }

  choose(second) { this.page.look({ ...this.cursor }, second); }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const rows = this.rows * this.per, step = { ArrowDown: this.per, ArrowUp: -this.per, ArrowRight: rows, ArrowLeft: -rows }[e.key], { cells } = this.page.m.head;
    if (step && e.shiftKey) this.cursor.to = Math.min(cells, Math.max(this.cursor.from + 1, this.cursor.to + step));
    else if (step) { const from = Math.min(cells - 1, Math.max(0, this.cursor.from + step)); this.cursor = { from, to: Math.min(cells, from + this.per) }; }
    else if (e.key === "Enter") this.choose(e.shiftKey || this.page.comparing);
    else if (e.key === "c") this.choose(true);
    else if (e.key === "Escape") this.page.look(null, false);
    else return;
    e.preventDefault();
    this.touched = true;
    this.paint();
    this.say(this.cursor.from);
  }

  show(values) { this.values = values; this.paint(); }

  // measure finds out how many cells a mark stands for.
  measure() {
    const m = this.page.m, seconds = Math.ceil(m.head.cells / perSecond(m)), w = this.box.clientWidth;
    this.per = Math.max(1, Math.ceil(seconds / Math.max(1, w / 3)));
    this.rows = perSecond(m);
    this.columns = Math.ceil(seconds / this.per);
    this.w = Math.max(1, Math.min(scaled(56), w / this.columns));
    this.h = Math.round(scaled(3));
  }

  paint() {
    const w = this.box.clientWidth;
    if (w === 0) return;
    this.measure();
    const g = canvasOf(this.canvas, w, this.rows * this.h + scaled(16)), theme = colours(), marks = new Float64Array(this.rows * this.columns);
    for (let c = 0; c < this.page.m.head.cells; c++) {
      const i = Math.floor(c / this.per);
      marks[i] += this.values[c];
    }
    const there = marks.filter((v) => v > 0).sort(), most = there[there.length - 1];
    const low = there[Math.floor(there.length / 50)] * 0.8, range = most - low; // waits are always there: what differs is what tells
    g.fillStyle = theme.still;
    g.globalAlpha = 0.25;
    g.fillRect(0, 0, this.columns * this.w, this.rows * this.h);
    g.fillStyle = `rgb(${theme.heat.join(",")})`;
    marks.forEach((v, i) => {
      if (v <= 0) return;
      g.globalAlpha = range > 0 ? 0.08 + 0.92 * Math.max(0, v - low) / range : 1;
      g.fillRect(Math.floor(i / this.rows) * this.w, (i % this.rows) * this.h, this.w > 4 ? this.w - 1 : this.w, this.h);
    });
    g.globalAlpha = 1;
    this.axis(g, theme);
    const [a, b] = this.page.windows;
    if (a) this.outline(g, a, "A", theme.mark);
    if (b) this.outline(g, b, "B", theme.mark);
    if (this.touched) this.outline(g, this.cursor, "", theme.quiet);
  }

  axis(g, theme) {
    g.fillStyle = theme.quiet;
    g.font = `${scaled(11)}px system-ui, sans-serif`;
    g.textBaseline = "bottom";
    const every = Math.max(1, Math.ceil(scaled(50) / this.w));
    for (let i = 0; i < this.columns; i += every) g.fillText(`${i * this.per} s`, i * this.w, this.rows * this.h + scaled(15));
  }

  // outline is a window in the columns that it is in: a step at each end.
  outline(g, w, name, colour) {
    const at = (c) => ({ x: Math.floor(c / this.per / this.rows), y: Math.floor(c / this.per) % this.rows });
    const a = at(w.from), b = at(w.to - 1);
    g.strokeStyle = colour;
    g.lineWidth = name ? 2 : 1;
    for (let x = a.x; x <= b.x; x++) {
      const top = x === a.x ? a.y : 0, bottom = x === b.x ? b.y + 1 : this.rows;
      g.strokeRect(x * this.w + 0.5, top * this.h + 0.5, Math.max(this.w - 1, 1), (bottom - top) * this.h - 1);
    }
    if (!name) return;
    g.font = `bold ${scaled(12)}px system-ui, sans-serif`;
    g.textBaseline = "top";
    g.fillStyle = colours().paper;
    g.fillRect(a.x * this.w + 2, a.y * this.h + 2, scaled(12), scaled(14));
    g.fillStyle = colour;
    g.fillText(name, a.x * this.w + 4, a.y * this.h + 3);
  }

  cellAt(e) {
    const r = this.canvas.getBoundingClientRect();
    const x = Math.min(this.columns - 1, Math.max(0, Math.floor((e.clientX - r.left) / this.w)));
    const y = Math.min(this.rows - 1, Math.max(0, Math.floor((e.clientY - r.top) / this.h)));
    return Math.min(this.page.m.head.cells - 1, (x * this.rows + y) * this.per);
  }

  say(c) {
    const { page } = this;
    page.tip(c < 0 ? "" : `${seconds(page.m, c)}: ${amount(this.values[c], page.unit)} in ${amount(page.m.head.cell, "nanoseconds")}`);
  }
}

const seconds = (m, c) => `${((c * m.head.cell) / 1e9).toFixed(2)} s`;
const within = (m, w) => `${seconds(m, w.from)} to ${seconds(m, w.to)}`;
