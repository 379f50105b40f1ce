// The page: what is chosen, what follows from it, and the parts that show it.

class Page {
  constructor(root, model) {
    this.m = model;
    measure(model);
    const { head } = model;
    this.chosen = { column: head.column, keys: head.labels || usualKeys(model), filters: [], up: false, search: "" };
    root.replaceChildren();
    this.parts(root);
    this.update();
  }

  parts(root) {
    const { m } = this, { head } = m;
    const top = element("header", {}, root);
    element("h1", { textContent: head.title }, top);
    this.facts = element("p", { className: "facts" }, top);
    const bar = element("div", { className: "bar" }, root);
    this.columns(bar);
    this.grouping(bar);
    this.direction(bar);
    this.searching(bar);
    this.filtering(element("div", { className: "bar filters" }, root));
    const both = element("div", { className: "both" }, root);
    const left = element("section", { className: "left" }, both);
    this.graph = new FlameGraph(left, {
      colour: (i) => this.colour(i), describe: (i) => this.describe(i), up: () => this.chosen.up, pick: (i) => this.pick(i),
    });
    this.table = new Table(element("section", { className: "right" }, both), this);
    if (head.notes && head.notes.length > 0) {
      const notes = element("details", { className: "notes" }, root);
      element("summary", { textContent: "What the profile says of itself" }, notes);
      element("pre", { textContent: head.notes.join("\n") }, notes);
    }
    document.addEventListener("keydown", (e) => {
      if (e.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) { e.preventDefault(); this.search.focus(); }
    });
    dark.addEventListener("change", () => this.update());
  }

  columns(bar) {
    const select = picker(bar, "column", this.m.columns.map((c) => `${c.name}: ${amount(Number(c.total), c.unit)}`));
    select.value = this.chosen.column;
    select.addEventListener("change", () => { this.chosen.column = Number(select.value); this.update(); });
  }

  grouping(bar) {
    const few = [...this.m.keys.keys()].sort(), choices = [[], ...few.map((k) => [k])];
    if (this.m.keys.has("go.state")) for (const k of few) if (k !== "go.state") choices.push([k, "go.state"]);
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
    const value = element("input", { placeholder: "text, or /regexp/", className: "filter" }, bar);
    value.setAttribute("aria-label", "value to keep");
    const list = element("datalist", { id: "values" }, bar);
    value.setAttribute("list", "values");
    this.counted = element("span", { className: "found" }, bar);
    this.chips = element("span", { className: "chips" }, bar);
    const filter = () => ({ key: key.value === "0" ? null : keys[key.value - 1], text: value.value });
    key.addEventListener("change", () => {
      value.value = "";
      list.replaceChildren(...[...(this.m.keys.get(filter().key) || [])].slice(0, 500).map((v) => element("option", { value: v })));
      this.counted.textContent = "";
    });
    value.addEventListener("input", () => { this.counted.textContent = value.value ? this.count(filter()) : ""; });
    value.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && value.value && !matcher(value.value).error) { this.keep(filter()); value.value = this.counted.textContent = ""; }
    });
  }

  // keep adds a filter: rows that do not match it are left out of everything.
  keep(filter) {
    this.chosen.filters.push(filter);
    this.update();
  }

  // count says what of what is shown a filter would keep.
  count(filter) {
    const m = matcher(filter.text);
    if (m.error) return m.error;
    const { values, unit } = this.m.columns[this.chosen.column], rows = select(this.m, this.rows, filter);
    let sum = 0;
    for (const r of rows) sum += values[r];
    return `${rows.length} of ${this.rows.length} stacks, ${amount(sum, unit)}`;
  }

  update() {
    const { m, chosen } = this, column = m.columns[chosen.column];
    this.rows = Array.from({ length: m.rows }, (_, i) => i);
    for (const f of chosen.filters) this.rows = select(m, this.rows, f);
    this.rows = this.rows.filter((r) => column && column.values[r] !== 0);
    this.weights = column ? column.values : new Float64Array(0);
    this.unit = column ? column.unit : "";
    this.sums = sums(m, this.rows, this.weights);
    this.tree = grow(m, this.rows, [this.weights], chosen.keys);
    this.graph.show(this.tree);
    this.mark();
    this.table.show();
    this.chips.replaceChildren(...chosen.filters.map((f) => {
      const chip = element("button", { type: "button", title: "remove", textContent: `${f.key || "function"}: ${f.text} ×` });
      chip.addEventListener("click", () => { chosen.filters = chosen.filters.filter((g) => g !== f); this.update(); });
      return chip;
    }));
    this.facts.textContent = this.rows.length === 0 ? "no samples" : `${amount(this.sums.all, this.unit)} in ${this.rows.length} stacks`
      + (m.head.duration > 0 ? `, recorded for ${amount(m.head.duration, "nanoseconds")}` : "");
  }

  // mark finds the functions that are searched for, and their part of what is shown.
  mark() {
    const { m, tree } = this, text = this.chosen.search;
    this.found.textContent = "";
    this.graph.mark(null);
    if (!text) return;
    const match = matcher(text), wanted = Uint8Array.from(m.frames, (f) => match.test(f.name) ? 1 : 0), has = through(m, wanted);
    if (match.error) { this.found.textContent = match.error; return; }
    let sum = 0;
    for (const r of this.rows) if (has[m.stack[r]]) sum += this.weights[r];
    this.graph.mark(Uint8Array.from(tree.name, (name) => match.test(tree.label(name)) ? 1 : 0));
    this.found.textContent = `${amount(sum, this.unit)}, ${percent(sum, this.sums.all)}, in ${wanted.reduce((a, b) => a + b, 0)} functions`;
  }

  pick(i) { this.search.value = this.chosen.search = this.tree.label(this.tree.name[i]); this.mark(); }

  colour(i) {
    const name = this.tree.label(this.tree.name[i]);
    return this.tree.name[i] < 0 ? colours().still : frameColour(name);
  }

  describe(i) {
    const t = this.tree, total = t.totals[0][i], self = t.self[0][i];
    return `${t.label(t.name[i])}: ${amount(total, this.unit)}, ${percent(total, t.totals[0][0])}`
      + (self > 0 ? `; itself ${amount(self, this.unit)}` : "");
  }
}

// Table is the functions with what they take, the largest first.
class Table {
  constructor(parent, page) {
    this.page = page;
    this.by = "flat";
    const table = element("table", {}, parent), head = element("tr", {}, element("thead", {}, table));
    for (const by of ["flat", "cum"]) {
      const button = element("button", { type: "button", textContent: by }, element("th", {}, head));
      button.addEventListener("click", () => { this.by = by; this.show(); });
    }
    element("th", { textContent: "function" }, head);
    this.body = element("tbody", {}, table);
  }
  show() {
    const { m, sums, unit } = this.page, by = sums[this.by];
    const order = Array.from(m.frames.keys()).filter((f) => sums.cum[f] > 0).sort((a, b) => by[b] - by[a]).slice(0, 200);
    this.body.replaceChildren(...order.map((f) => {
      const row = element("tr", { title: m.frames[f].file }), name = m.frames[f].name;
      for (const v of [sums.flat[f], sums.cum[f]]) element("td", { textContent: v > 0 ? `${amount(v, unit)} ${percent(v, sums.all)}` : "" }, row);
      const cell = element("button", { type: "button", textContent: name }, element("td", {}, row));
      cell.addEventListener("click", () => { this.page.search.value = this.page.chosen.search = name; this.page.mark(); });
      return row;
    }));
  }
}

// usualKeys is by label, then state, where there are states: by the label that tells most apart with few values.
function usualKeys(m) {
  if (!m.keys.has("go.state")) return [];
  const own = [...m.keys].filter(([k, v]) => !k.startsWith("go.") && v.size > 1 && v.size <= 50).sort((a, b) => b[1].size - a[1].size);
  return own.length > 0 ? [own[0][0], "go.state"] : ["go.state"];
}

// select keeps the rows that match a filter: a function on the stack, or the value of a label.
function select(m, rows, filter) {
  const match = matcher(filter.text);
  if (filter.key === null) {
    const has = through(m, Uint8Array.from(m.frames, (f) => match.test(f.name) ? 1 : 0));
    return rows.filter((r) => has[m.stack[r]]);
  }
  const keep = m.sets.map((s) => s.has(filter.key) && match.test(s.get(filter.key)));
  return rows.filter((r) => keep[m.set[r]]);
}

// matcher reads "text" or "/regexp/".
function matcher(text) {
  const parts = /^\/(.+?)\/?$/.exec(text);
  if (!parts || text.startsWith("//")) return { test: (s) => s.includes(text) };
  try {
    const re = new RegExp(parts[1]);
    return { test: (s) => re.test(s) };
  } catch (e) {
    return { test: () => false, error: String(e.message) };
  }
}

function picker(bar, label, choices) {
  const select = element("select", {}, element("label", { textContent: label + " " }, bar));
  choices.forEach((c, i) => select.add(new Option(c, i)));
  return select;
}

const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
const percent = (part, all) => (all > 0 ? ((100 * part) / all).toFixed(part === all ? 0 : 1) + " %" : "");

function amount(v, unit) {
  const steps = { nanoseconds: [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]], bytes: [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 1024], ["B", 1]] }[unit];
  if (!steps) return v.toLocaleString("en") + (unit && unit !== "count" ? " " + unit : "");
  const [name, size] = steps.find(([, s]) => Math.abs(v) >= s) || steps[steps.length - 1];
  return (v / size).toFixed(size === 1 ? 0 : Math.abs(v) >= 100 * size ? 0 : 2) + " " + name;
}

async function start() {
  const root = document.getElementById("page");
  try {
    window.page = new Page(root, await decode(base64(document.getElementById("data").textContent)));
  } catch (e) {
    root.textContent = "The page could not be drawn: " + e.message;
    throw e;
  }
}
start();
