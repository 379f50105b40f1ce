// Lanes: what single goroutines did, a row for each; of a request all that worked for it. Times are in microseconds.

const laneHeight = () => Math.round(scaled(20));

// lanesOf reads the lanes (lanes.go), each with its pieces, and the requests, slowest first.
function lanesOf(m, a) {
  const lanes = [], texts = m.head.texts, keys = new Set();
  for (let i = 0, at = 0; i < a["lane goid"].length; i++) {
    const pieces = [];
    for (let n = a["lane pieces"][i], last = 0; n > 0; n--, at++) {
      const from = last + a["piece gap"][at], to = from + a["piece length"][at];
      last = to;
      const set = a["piece set"][at], labels = m.sets[set];
      pieces.push({ from, to, set, stack: a["piece stack"][at], by: a["piece by"][at], kind: m.head.kinds[a["piece kind"][at]], kept: true,
        state: labels.get("go.state") || "unknown", on: labels.get("go.peer") || labels.get("go.syscall") || labels.get("go.wait_on") || "" });
      for (const key of labels.keys()) keys.add(key);
    }
    lanes.push({ goid: a["lane goid"][i], parent: a["lane parent"][i], name: texts[a["lane name"][i]], whole: a["lane whole"][i] === 1, pieces });
  }
  const requests = [];
  for (let i = 0, at = 0; i < a["request name"].length; i++) {
    const mine = Array.from(a["request lane"].subarray(at, (at += a["request lanes"][i])), (l) => lanes[l]);
    requests.push({ name: texts[a["request name"][i]], from: a["request from"][i], length: a["request length"][i], lanes: mine });
  }
  return { lanes, requests, keys, others: lanes.filter((l) => l.whole) };
}

// hasKept says whether a row, of a request any of its lanes, has a piece that is kept.
const hasKept = (row) => (row.request ? row.request.lanes : [row.lane]).some((l) => l.pieces.some((p) => p.kept));

const axisHeight = () => Math.round(scaled(18));
const micros = (us) => us === 0 ? "0" : amount(us * 1000, "nanoseconds");

// Lanes shows the slowest requests, one of them, or goroutines.
class Lanes {
  constructor(parent, page, { lanes, requests, others, keys }) {
    Object.assign(this, { page, lanes, requests, others, keys, open: null, at: null, rows: [], which: 0, filtered: false, unknown: [], followed: "[[],[null,null]]" });
    const bar = element("div", { className: "bar" }, parent);
    this.tabs = [["requests", requests.length, page.m.head.requests], ["goroutines", others.length, page.m.head.goroutines]].map(([name, n, all], i) => {
      const b = element("button", { type: "button", textContent: i === 0 ? `the ${n} slowest of ${all} requests` : `the ${n} busiest of ${all} goroutines`, className: name }, bar);
      b.disabled = n === 0;
      b.addEventListener("click", () => this.tab(i));
      return b;
    });
    this.back = element("button", { type: "button", textContent: "back to all ×", hidden: true, className: "close" }, bar);
    this.back.addEventListener("click", () => this.tab(0));
    this.title = element("p", { className: "found" }, parent);
    this.following = element("p", { className: "found following", hidden: true }, parent);
    this.box = element("div", { className: "lanes", tabIndex: 0 }, parent);
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-label", "lanes: arrows move, Enter opens a request, plus and minus zoom, Escape goes back");
    this.space = element("div", {}, this.box);
    this.canvas = element("canvas", {}, this.space);
    this.stack = element("div", { className: "stack" }, parent);
    new ResizeObserver(() => this.paint()).observe(this.box);
    this.listen();
    this.tab(requests.length > 0 ? 0 : 1);
  }

  listen() {
    this.box.addEventListener("scroll", () => this.paint());
    this.box.addEventListener("keydown", (e) => this.key(e));
    let begin = -1, x = 0;
    this.canvas.addEventListener("pointerdown", (e) => { begin = this.timeAt(e); x = e.clientX; this.canvas.setPointerCapture(e.pointerId); });
    this.canvas.addEventListener("pointercancel", () => { begin = -1; });
    this.canvas.addEventListener("pointerup", (e) => {
      const end = Math.max(this.from, Math.min(this.to, this.timeAt(e))), dragged = begin >= 0 && Math.abs(e.clientX - x) > 5;
      if (dragged) this.zoom(Math.min(begin, end), Math.max(begin, end));
      else this.click(this.hit(e));
      begin = -1;
    });
    this.canvas.addEventListener("dblclick", () => this.zoom(0, this.length));
    this.canvas.addEventListener("mousemove", (e) => { const h = this.hit(e); this.page.tip(h ? this.words(h.row, h.piece) : ""); });
    this.canvas.addEventListener("mouseleave", () => this.page.tip(""));
  }

  // follow makes the filters and windows of the page those of the lanes: pieces that do not match are pale, rows without one that
  // does are left out. A key that no piece has, as those of numbers, tells nothing of lanes, and it is said.
  follow(filters, windows) {
    const asked = JSON.stringify([filters, windows]);
    if (asked === this.followed) return;
    this.followed = asked;
    const { m } = this.page, unknown = filters.filter((f) => f.key !== null && !this.keys.has(f.key)).map((f) => f.key);
    const keeps = filters.filter((f) => !unknown.includes(f.key)).map((f) => keeper(m, f)), us = m.head.cell / 1000;
    const shown = windows.filter((w) => w).map((w) => ({ from: w.from * us, to: w.to * us }));
    const within = (p) => shown.length === 0 || shown.some((w) => p.from < w.to && p.to >= w.from);
    for (const l of this.lanes) for (const p of l.pieces) p.kept = within(p) && keeps.every((k) => k(p.stack, p.set));
    this.filtered = keeps.length + shown.length > 0;
    this.unknown = unknown;
    if (this.open) { this.say(this.rows); this.paint(); } else this.tab(this.which);
  }

  // say is how many of some rows have what is kept.
  say(rows) {
    const parts = [], what = this.open || this.which === 1 ? "goroutines" : "requests";
    if (this.filtered) parts.push(`${rows.filter(hasKept).length} of these ${rows.length} ${what} have what is kept; pale is what is not.`);
    if (this.unknown.length > 0) parts.push(`Goroutines do not have ${this.unknown.join(", ")}: what is kept by that does not count here.`);
    this.following.hidden = parts.length === 0;
    this.following.textContent = parts.join(" ");
  }

  // tab shows all requests, or goroutines; a row is a lane with the time that it begins at.
  tab(i) {
    this.open = null;
    this.which = i;
    this.tabs.forEach((b, at) => b.setAttribute("aria-pressed", at === i));
    const last = (l) => (l.pieces.length > 0 ? l.pieces[l.pieces.length - 1].to : 0);
    const all = i === 0 ? this.requests.map((r) => ({ name: r.name, lane: r.lanes[0], base: r.from, end: r.length, request: r }))
      : this.others.map((l) => ({ name: `${l.goid} ${l.name}`, lane: l, base: 0, end: last(l) }));
    this.set(all.filter(hasKept));
    this.title.textContent = i === 0 ? "Each row is a request, from its begin on. Click one to open it." : "Each step has the state that the goroutine was in longest.";
    this.say(all);
  }

  show(r) {
    this.open = r;
    this.set(r.lanes.map((l, i) => ({ name: i === 0 ? "the request" : `${l.goid} ${l.name}`, lane: l, base: r.from, end: r.length })));
    this.title.textContent = `${r.name}: ${micros(r.length)}, began ${micros(r.from)} into the recording. `
      + "Rows: its goroutine, those that it started, those that ended its waits; an arrow leads from who ended a wait to who waited, where that is known.";
    this.say(this.rows);
  }

  set(rows) {
    this.rows = rows;
    this.length = Math.max(1, ...rows.map((r) => r.end));
    this.from = 0;
    this.to = this.length;
    this.at = null;
    this.back.hidden = !this.open;
    this.stack.replaceChildren();
    this.box.scrollTop = 0;
    this.space.style.height = `${rows.length * laneHeight() + axisHeight()}px`;
    this.paint();
  }

  zoom(from, to) {
    const least = Math.max(10, (to - from < 10 ? 10 : to - from));
    this.from = Math.max(0, Math.min(from, this.length - least));
    this.to = Math.min(this.length, this.from + least);
    this.paint();
  }

  x(us) { return this.left + ((us - this.from) / (this.to - this.from)) * (this.wide - this.left); }

  paint() {
    this.wide = this.box.clientWidth;
    this.left = Math.min(scaled(260), this.wide * 0.3);
    const h = Math.min(this.box.clientHeight, this.rows.length * laneHeight() + axisHeight()), top = this.box.scrollTop;
    const g = canvasOf(this.canvas, this.wide, h), theme = colours();
    g.textBaseline = "middle";
    this.rows.forEach((row, i) => {
      const y = i * laneHeight() - top;
      if (y > -laneHeight() && y < h) this.row(g, row, y, theme);
    });
    if (this.open) this.arrows(g, theme, top);
    this.axis(g, theme, h);
  }

  row(g, row, y, theme) {
    const { lane, base, name } = row, wide = this.wide, fits = Math.floor(this.left / scaled(7));
    g.font = `${scaled(12)}px system-ui, sans-serif`;
    g.fillStyle = theme.ink;
    g.fillText(fit(name, fits), 0, y + laneHeight() / 2);
    g.save();
    g.beginPath();
    g.rect(this.left, y, wide - this.left, laneHeight());
    g.clip();
    for (const kept of [false, true]) this.pieces(g, lane.pieces.filter((p) => p.kept === kept), base, theme, y);
    g.restore();
  }

  pieces(g, pieces, base, theme, y) {
    let drawn = -1; // pixels up to which all is painted
    for (const p of pieces) {
      const x = this.x(p.from - base), end = Math.max(this.x(p.to - base), x + 0.5), { wide } = this;
      if (end < this.left || x > wide || end <= drawn + 0.3) continue;
      drawn = end;
      const colour = kindColours[p.kind.name];
      g.globalAlpha = p.kept ? 1 : 0.2;
      g.fillStyle = colour;
      g.fillRect(x, y + 2, end - x, laneHeight() - 4);
      if (this.at && this.at.piece === p) { g.lineWidth = 2; g.strokeStyle = theme.mark; g.strokeRect(x + 1, y + 3, Math.max(end - x - 2, 2), laneHeight() - 6); }
      const letters = p.kept ? Math.floor((Math.min(end, wide) - Math.max(x, this.left) - 6) / scaled(7)) : 0;
      if (letters >= 4) { g.fillStyle = inkOn(colour, theme); g.fillText(fit(p.state, letters), Math.max(x, this.left) + 4, y + laneHeight() / 2); }
    }
    g.globalAlpha = 1;
  }

  // arrows lead from who ended a wait to who waited.
  arrows(g, theme, top) {
    const rowOf = new Map(this.rows.map((r, i) => [r.lane.goid, i]));
    g.strokeStyle = g.fillStyle = theme.mark;
    g.lineWidth = 1;
    this.rows.forEach((row, to) => {
      for (const p of row.lane.pieces) {
        const from = rowOf.get(p.by), x = this.x(p.to - row.base);
        if (from === undefined || from === to || x < this.left || x > this.wide) continue;
        const down = to > from, a = (from + (down ? 1 : 0)) * laneHeight() - top, b = (to + (down ? 0 : 1)) * laneHeight() - top, tail = down ? -5 : 5;
        g.beginPath();
        g.moveTo(x, a);
        g.lineTo(x, b);
        g.stroke();
        g.beginPath();
        g.moveTo(x, b);
        g.lineTo(x - 3, b + tail);
        g.lineTo(x + 3, b + tail);
        g.fill();
      }
    });
  }

  axis(g, theme, h) {
    g.clearRect(0, h - axisHeight(), this.wide, axisHeight());
    g.fillStyle = theme.quiet;
    g.font = `${scaled(11)}px system-ui, sans-serif`;
    const marks = Math.max(1, Math.floor((this.wide - this.left) / scaled(120)));
    for (let i = 0; i <= marks; i++) {
      g.textAlign = i === marks ? "right" : "left";
      g.fillText(micros(this.from + ((this.to - this.from) * i) / marks), this.left + ((this.wide - this.left) * i) / marks, h - axisHeight() / 2);
    }
    g.textAlign = "left";
  }

  timeAt(e) {
    const r = this.canvas.getBoundingClientRect(), x = e.clientX - r.left;
    return x < this.left ? -1 : this.from + ((x - this.left) / (this.wide - this.left)) * (this.to - this.from);
  }

  hit(e) {
    const y = e.clientY - this.canvas.getBoundingClientRect().top + this.box.scrollTop, row = this.rows[Math.floor(y / laneHeight())], us = this.timeAt(e);
    if (!row) return null;
    return { row, piece: row.lane.pieces.find((p) => us >= p.from - row.base && us < p.to - row.base) || null };
  }

  click(h) {
    if (!h) return;
    if (h.row.request) { this.show(h.row.request); return; }
    this.at = h.piece ? h : null;
    this.details();
    this.paint();
  }

  words(row, p) {
    if (!p) return row.request ? `${row.name}: ${micros(row.request.length)}` : row.name;
    const by = p.by > 0 ? `; goroutine ${p.by} ended it` : p.by < 0 ? "; the runtime ended it" : "";
    return `${p.state} for ${p.to > p.from ? micros(p.to - p.from) : "less than 1 µs"}, from ${micros(p.from - row.base)} on: ${p.kind.meaning}${p.on ? ` (${p.on})` : ""}${by}`;
  }

  // details is the stack of a piece.
  details() {
    const { m } = this.page, list = element("ol");
    if (!this.at) { this.stack.replaceChildren(); return; }
    const { row, piece } = this.at;
    for (let t = piece.stack; t > 0; t = m.parent[t]) element("li", { textContent: m.frames[m.frame[t]].name }, list);
    this.stack.replaceChildren(element("p", { textContent: `${row.name}: ${this.words(row, piece)}` }),
      piece.stack > 0 ? list : element("p", { textContent: "no stack is known" }));
  }

  key(e) {
    const i = this.at ? this.rows.indexOf(this.at.row) : -1, span = this.to - this.from, middle = (this.from + this.to) / 2;
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key], along = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (step) {
      const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, i + step))];
      const now = this.at && this.at.piece ? this.at.piece.from - this.at.row.base : 0;
      this.at = row ? { row, piece: row.lane.pieces.find((p) => p.to - row.base > now) || row.lane.pieces[0] } : null;
    } else if (along && this.at) {
      const { pieces } = this.at.row.lane, to = pieces.indexOf(this.at.piece) + along;
      this.at = { row: this.at.row, piece: pieces[Math.max(0, Math.min(pieces.length - 1, to))] };
    } else if (e.key === "Enter" && this.at && this.at.row.request) {
      this.show(this.at.row.request);
    } else if (e.key === "+" || e.key === "-") {
      const half = (e.key === "+" ? span / 4 : span);
      this.zoom(middle - half, middle + half);
    } else if (e.key === "Escape") {
      if (this.to - this.from < this.length) this.zoom(0, this.length);
      else if (this.open) this.tab(0);
    } else return;
    e.preventDefault();
    if (this.at) this.reveal(this.rows.indexOf(this.at.row) * laneHeight());
    this.details();
    this.paint();
  }

  reveal(y) {
    if (y < this.box.scrollTop) this.box.scrollTop = y;
    if (y + laneHeight() > this.box.scrollTop + this.box.clientHeight - axisHeight()) this.box.scrollTop = y + laneHeight() - this.box.clientHeight + axisHeight();
  }
}
