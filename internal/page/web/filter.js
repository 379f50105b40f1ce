// What is kept and how it is said.

// usualKeys is by label, then state, where there are states: by the label that most time has, of those with some values.
function usualKeys(m) {
  if (!m.keys.has("go.state")) return [];
  const wall = m.columns.find((c) => c.name === "wall") || m.columns[m.head.column], labelled = new Map();
  for (let r = 0; r < m.rows; r++) for (const k of m.sets[m.set[r]].keys()) labelled.set(k, (labelled.get(k) || 0) + wall.values[r]);
  const own = [...m.keys].filter(([k, v]) => !k.startsWith("go.") && v.size > 1 && v.size <= 50).map(([k]) => k);
  own.sort((a, b) => labelled.get(b) - labelled.get(a) || (a < b ? -1 : 1));
  return own.length > 0 ? [own[0], "go.state"] : ["go.state"];
}

// select keeps the rows that match a filter: { key, text, exact }, key null is a function on the stack.
function select(m, rows, filter) {
  const match = matcher(filter);
  if (filter.key === null) {
    const has = through(m, Uint8Array.from(m.frames, (f) => (match.test(f.name) ? 1 : 0)));
    return rows.filter((r) => has[m.stack[r]]);
  }
  const keep = m.sets.map((s) => match.test(s.has(filter.key) ? s.get(filter.key) : ""));
  return rows.filter((r) => keep[m.set[r]]);
}

// matcher reads "text" or "/regexp/"; exact is the text and nothing else.
function matcher({ text, exact }) {
  const parts = /^\/(.+)\/$/.exec(text);
  if (exact) return { test: (s) => s === text };
  if (!parts) return { test: (s) => s.includes(text) };
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
const scales = {
  nanoseconds: [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]],
  bytes: [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 1024], ["B", 1]],
};

function amount(v, unit) {
  const steps = scales[unit];
  if (!steps) return Number(v.toFixed(v < 10 ? 2 : 0)).toLocaleString("en") + (unit && unit !== "count" ? " " + unit : "");
  const [name, size] = steps.find(([, s]) => Math.abs(v) >= s) || steps[steps.length - 1];
  return (v / size).toFixed(size === 1 || Math.abs(v) >= 100 * size ? 0 : 2) + " " + name;
}

function change(before, after) {
  if (before <= 0) return "new";
  const part = 100 * (after / before - 1);
  return after <= 0 ? "gone" : `${part >= 0 ? "+" : "−"}${Math.abs(part).toFixed(Math.abs(part) < 10 ? 1 : 0)} %`;
}
