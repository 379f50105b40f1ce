// The page: what is chosen, what follows from it, and the parts that show it.

class Page {
  constructor(root, model) {
    this.m = model;
    measure(model);
    this.chosen = { column: model.head.column, keys: model.head.labels || usualKeys(model), filters: [], up: false, search: "", pick: -1 };
    this.windows = [null, null];
    this.comparing = false;
    root.replaceChildren();
    this.parts(root);
    this.update();
  }

  parts(root) {
    const { m } = this, { head } = m, top = element("header", {}, root);
    this.hover = element("div", { className: "tip", hidden: true }, root);
    element("h1", { textContent: head.title }, top);
    this.facts = element("p", { className: "facts" }, top);
    const bar = element("div", { className: "bar" }, root);
    this.columns(bar);
    this.grouping(bar);
    this.direction(bar);
    this.searching(bar);
    this.filtering(element("div", { className: "bar filters" }, root));
    if (m.runAt) this.heat = new HeatMap(element("section", { className: "time" }, root), this);
    this.legend = element("p", { className: "legend" }, root);
    const both = element("div", { className: "both" }, root);
    this.graphs(element("section", { className: "left" }, both));
    this.table = new Table(element("section", { className: "right" }, both), this);
    if (m.life) this.lanes = new Lanes(element("section", { className: "life" }, root), this, m.life);
    if (head.notes && head.notes.length > 0) {
      const notes = element("details", { className: "notes" }, root);
      element("summary", { textContent: "What the profile says of itself" }, notes);
      element("pre", { textContent: head.notes.join("\n") }, notes);
    }
    document.addEventListener("mousemove", (e) => { this.hover.style.left = Math.min(e.clientX + 14, innerWidth - 260) + "px"; this.hover.style.top = e.clientY + 16 + "px"; });
    document.addEventListener("keydown", (e) => {
      if (e.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) { e.preventDefault(); this.search.focus(); }
    });
    for (const query of [dark, wide]) query.addEventListener("change", () => { this.update(); if (this.lanes) this.lanes.set(this.lanes.rows); });
  }

  columns(bar) {
    const select = picker(bar, "column", this.m.columns.map((c) => `${c.name}: ${amount(Number(c.total), c.unit)}`));
    select.value = this.chosen.column;
    select.addEventListener("change", () => { this.chosen.column = Number(select.value); this.update(); });
  }

  grouping(bar) {
    const keys = [...this.m.keys.keys()].sort(), choices = [[], ...keys.map((k) => [k])];
    if (this.m.keys.has("go.state")) for (const k of keys) if (k !== "go.state") choices.push([k, "go.state"]);
    const own = (k) => !k.startsWith("go.");
    if (this.m.keys.has("go.wait_on")) choices.push(...keys.filter(own).map((k) => [k, "go.wait_on"]));
    if (!choices.some((c) => same(c, this.chosen.keys))) choices.push(this.chosen.keys);
    const select = picker(bar, "by", choices.map((c) => c.join(", then ") || "stack only"));
    select.value = choices.findIndex((c) => same(c, this.chosen.keys));
    select.addEventListener("change", () => { this.chosen.keys = choices[select.value]; this.update(); });
  }

  direction(bar) {
    const select = picker(bar, "root", ["on top", "at the bottom"]);
    select.addEventListener("change", () => { this.chosen.up = select.value === "1"; this.graph.draw(); });
  }

  searching(bar) {
    this.search = element("input", { type: "search", placeholder: "search functions ( / )", className: "search" }, bar);
    this.search.setAttribute("aria-label", "search functions");
    this.found = element("span", { className: "found" }, bar);
    this.search.addEventListener("input", () => { this.chosen.search = this.search.value; this.mark(); });
  }

  filtering(bar) {
    const keys = [...this.m.keys.keys()].sort(), key = picker(bar, "only", ["function", ...keys]);
    const value = element("input", { placeholder: "text, or /regexp/, and Enter", className: "filter" }, bar);
    value.setAttribute("aria-label", "what to keep");
    const list = element("datalist", { id: "values" }, bar);
    value.setAttribute("list", "values");
    this.counted = element("span", { className: "found" }, bar);
    this.chips = element("span", { className: "chips" }, bar);
    const filter = () => ({ key: key.value === "0" ? null : keys[key.value - 1], text: value.value });
    key.addEventListener("change", () => {
      value.value = this.counted.textContent = "";
      list.replaceChildren(...[...(this.m.keys.get(filter().key) || [])].sort().slice(0, 500).map((v) => element("option", { value: v })));
    });
    value.addEventListener("input", () => { this.counted.textContent = value.value ? this.count(filter()) : ""; });
    value.addEventListener("keydown", (e) => {
      if (e.key !== "Enter" || !value.value || matcher(filter()).error) return;
      this.keep(filter());
      value.value = this.counted.textContent = "";
    });
  }

  graphs(parent) {
    const options = { colour: (i, t) => this.colour(i, t), describe: (i, t) => this.describe(i, t), actions: (i, t) => this.actions(i, t) };
    this.whole = element("div", {}, parent);
    this.graph = new FlameGraph(this.whole, { ...options, up: () => this.chosen.up });
    this.sandwich = element("div", { hidden: true }, parent);
    const back = element("button", { type: "button", className: "back" }, this.sandwich);
    back.addEventListener("click", () => this.pick(-1));
    this.back = back;
    this.callers = new FlameGraph(this.sandwich, { ...options, up: () => true });
    this.callees = new FlameGraph(this.sandwich, { ...options, up: () => false });
  }

  // keep adds filters: rows that do not match them are left out of everything.
  keep(...filters) {
    this.chosen.filters.push(...filters);
    this.update();
  }

  // look makes a window of the timeline what is shown, or compares the one that is shown with a second.
  look(window, second) {
    if (!window) this.windows = [null, null];
    else if (second && this.windows[0]) this.windows[1] = window;
    else this.windows = [window, null];
    this.comparing = false;
    this.update();
  }

  pick(f) {
    this.chosen.pick = f;
    this.show();
  }

  // count says what of what is shown a filter would keep.
  count(filter) {
    const m = matcher(filter);
    if (m.error) return m.error;
    const rows = select(this.m, this.rows, filter), sums = this.weights.map((w) => rows.reduce((a, r) => a + w[r], 0));
    return `${rows.length} of ${this.rows.length} stacks, ${sums.map((s) => this.say(s)).join(" and ")}`;
  }

  update() {
    const { m, chosen } = this, column = m.columns[chosen.column] || { values: new Float64Array(m.rows), unit: "" };
    this.unit = column.unit;
    this.weights = this.windowed(column.values);
    let rows = m.all;
    for (const f of chosen.filters) rows = select(m, rows, f);
    this.untimed = m.rowTicks ? rows.reduce((a, r) => a + (m.rowTicks[r] > 0 ? 0 : column.values[r]), 0) : 0;
    if (this.heat) this.heat.show(spread(m, rows, column.values));
    const [a, b] = this.weights;
    this.rows = rows.filter((r) => a[r] > 0 || (b && b[r] > 0));
    this.sides = this.weights.map((w) => sums(m, this.rows, w));
    this.show();
    this.table.show();
    this.words();
    if (!this.lanes) return;
    clearTimeout(this.later); // behind what is seen first: the lanes are below it
    this.later = setTimeout(() => this.lanes.follow(chosen.filters, this.windows), 50);
  }

  // windowed is the values of the rows in what is looked at: all, a window, or a second of each of two windows.
  windowed(values) {
    const m = this.m, shown = this.windows.filter((w) => w);
    if (shown.length === 0) return [values];
    return shown.map((w) => {
      const part = share(m, w), scale = shown.length > 1 ? 1e9 / ((w.to - w.from) * m.head.cell) : 1;
      return values.map((v, r) => v * part[r] * scale);
    });
  }

  show() {
    const { m, chosen } = this, picked = chosen.pick >= 0;
    this.whole.hidden = picked;
    this.sandwich.hidden = !picked;
    if (picked) {
      const { callers, callees } = around(m, this.rows, this.weights, chosen.pick);
      this.back.textContent = `callers and callees of ${m.frames[chosen.pick].name} ×`;
      this.callers.show(callers);
      this.callees.show(callees);
    } else {
      this.tree = grow(m, this.rows, this.weights, chosen.keys);
      this.graph.show(this.tree);
    }
    this.mark();
  }

  // words are those around the graph.
  words() {
    const { m, chosen, windows } = this, column = m.columns[chosen.column] || {};
    this.chips.replaceChildren(...chosen.filters.map((f) => this.chip(chipText(f),
      () => { chosen.filters = chosen.filters.filter((g) => g !== f); this.update(); })));
    const more = windows[0] && this.untimed > 0 ? `; ${amount(this.untimed, this.unit)} more is of no known time` : "";
    const of = windows[0] ? `, ${windows[1] ? `A ${within(m, windows[0])}, B ${within(m, windows[1])}` : within(m, windows[0])}` : "";
    this.facts.textContent = this.rows.length === 0 ? "no samples" + of
      : this.sides.map((s) => this.say(s.all)).join(" and ") + (column.name === "wall" && m.states.size > 0 ? " of all goroutines together" : "")
        + ` in ${this.rows.length} stacks`
        + (of || (m.head.duration > 0 ? `, recorded for ${amount(m.head.duration, "nanoseconds")}` : "")) + more;
    this.legend.replaceChildren(...(windows[1] ? this.changes() : this.states()));
    if (!this.heat) return;
    const what = windows[0] ? windows.filter((w) => w).map((w, i) => `${"AB"[i]}: ${within(m, w)}`).join(", ") : "drag over a part of the time to look at it alone";
    const parts = [element("span", { textContent: what })];
    if (windows[0] && !windows[1]) parts.push(this.toggle());
    if (windows[0]) parts.push(this.chip("all of the time", () => this.look(null, false)));
    this.heat.line.replaceChildren(...parts);
  }

  toggle() {
    const b = element("button", { type: "button", textContent: this.comparing ? "now drag over the other window" : "compare with another window", className: "compare" });
    b.setAttribute("aria-pressed", this.comparing);
    b.addEventListener("click", () => { this.comparing = !this.comparing; this.words(); });
    return b;
  }

  chip(text, run) {
    const b = element("button", { type: "button", textContent: text + " ×" });
    b.addEventListener("click", run);
    return b;
  }

  // states are those that are shown, with what they mean.
  states() {
    const { m } = this, all = new Map();
    for (const r of this.rows) {
      const s = m.sets[m.set[r]].get("go.state");
      if (s !== undefined) all.set(s, (all.get(s) || 0) + this.weights[0][r]);
    }
    return [...all].sort((a, b) => b[1] - a[1]).slice(0, 16).map(([s, v]) => {
      const { kind, meaning } = m.states.get(s) || { kind: "unknown", meaning: "" };
      return this.swatch(kindColours[kind], s, `${s}: ${meaning}. ${this.say(v)}, ${percent(v, this.sides[0].all)}`, () => this.keep({ key: "go.state", text: s, exact: true }));
    });
  }

  changes() {
    return [[1, 3, "more in B"], [1, 1, "the same"], [3, 1, "less in B"]].map(([a, b, text]) => this.swatch(changeColour(a, b), text, "by how much of itself, a second of each window"));
  }

  swatch(colour, text, tip, run) {
    const b = element("button", { type: "button", className: "swatch" });
    element("i", {}, b).style.background = colour;
    b.append(text);
    b.setAttribute("aria-label", tip);
    b.addEventListener("mouseenter", () => this.tip(tip));
    b.addEventListener("focus", () => this.tip(tip));
    for (const e of ["mouseleave", "blur"]) b.addEventListener(e, () => this.tip(""));
    if (run) b.addEventListener("click", () => { this.tip(""); run(); });
    return b;
  }

  tip(text) {
    this.hover.hidden = text === "";
    this.hover.textContent = text;
  }

  // mark finds the functions that are searched for, and their part of what is shown.
  mark() {
    const { m } = this, filter = { text: this.chosen.search }, shown = this.chosen.pick >= 0 ? [this.callers, this.callees] : [this.graph];
    this.found.textContent = "";
    if (!filter.text) { for (const g of shown) g.mark(null); return; }
    const match = matcher(filter), wanted = Uint8Array.from(m.frames, (f) => (match.test(f.name) ? 1 : 0)), has = through(m, wanted);
    if (match.error) { this.found.textContent = match.error; return; }
    const sum = this.weights.map((w) => this.rows.reduce((a, r) => a + (has[m.stack[r]] ? w[r] : 0), 0));
    for (const g of shown) if (g.tree) g.mark(Uint8Array.from(g.tree.name, (name) => (name >= 0 ? wanted[name] : match.test(g.tree.label(name)) ? 1 : 0)));
    this.found.textContent = sum.map((s, i) => `${this.say(s)}, ${percent(s, this.sides[i].all)}`).join("; ") + `, in ${wanted.reduce((a, b) => a + b, 0)} functions`;
  }

  colour(i, t) {
    if (t.totals.length > 1) return changeColour(t.totals[0][i], t.totals[1][i]);
    if (t.name[i] >= 0) return frameColour(t.label(t.name[i]));
    const { key, value } = t.group(t.name[i]);
    return key === "go.state" ? kindColours[(this.m.states.get(value) || { kind: "unknown" }).kind] : colours().still;
  }

  describe(i, t) {
    const name = t.label(t.name[i]), total = t.totals.map((s) => s[i]), all = t.totals.map((s) => s[0]);
    if (total.length > 1) return `${name}: A ${this.say(total[0])}, B ${this.say(total[1])}, ${change(total[0], total[1])}`;
    const state = t.name[i] < 0 && t.group(t.name[i]).key === "go.state" ? this.m.states.get(t.group(t.name[i]).value) : null;
    return `${name}: ${this.say(total[0])}, ${percent(total[0], all[0])}` + (t.self[0][i] > 0 ? `; itself ${this.say(t.self[0][i])}` : "")
      + (state && state.meaning ? ` (${state.meaning})` : "");
  }

  // actions are what can be done with a frame.
  actions(i, t) {
    const name = t.name[i], text = t.label(name);
    if (i === 0 && name < 0) return [];
    if (name >= 0) {
      const all = this.sides.map((s) => this.say(s.cum[name])).join(" and ");
      return [{ name: "callers and callees (s)", run: () => this.pick(name) },
        { name: `only stacks with it, ${all} (o)`, run: () => this.keep({ key: null, text, exact: true }) }];
    }
    const path = []; // the labels that the frame is of
    for (let at = i; at > 0; at = t.parent[at]) path.unshift(t.group(t.name[at]));
    return [{ name: "only this", run: () => this.keep(...path.map(({ key, value }) => ({ key, text: value, exact: true, none: value === undefined }))) }];
  }

  // say is an amount of the column; of two windows, by second.
  say(v) { return amount(v, this.unit) + (this.weights.length > 1 ? "/s" : ""); }
}

async function start() {
  const root = document.getElementById("page");
  try {
    const data = document.getElementById("data"), { from } = data.dataset;
    const page = new Page(root, await decode(from ? await (await fetch(from)).arrayBuffer() : base64(data.textContent)));
    page.drawn = performance.now();
    window.page = page;
  } catch (e) {
    root.textContent = "The page could not be drawn: " + e.message;
    throw e;
  }
}
start();
