// What is kept and how it is said.

// usualKeys is by label, then state, where there are states: by the label that most time has, of those with some values.
function usualKeys(m) {
  if (!m.keys.has("go.state")) return [];
  const wall = m.columns.find((c) => c.name === "wall") || m.columns[m.head.column], labelled = new Map();
  const bySet = new Float64Array(m.sets.length);
  for (let r = 0; r < m.rows; r++) bySet[m.set[r]] += wall.values[r];
  m.sets.forEach((s, i) => { for (const k of s.keys()) labelled.set(k, (labelled.get(k) || 0) + bySet[i]); });
  const own = [...m.keys].filter(([k, v]) => !k.startsWith("go.") && v.size > 1 && v.size <= 50).map(([k]) => k);
  own.sort((a, b) => labelled.get(b) - labelled.get(a) || (a < b ? -1 : 1));
  return own.length > 0 ? [own[0], "go.state"] : ["go.state"];
}

// keeper says whether a stack with a set of labels matches a filter: { key, text, exact, none }; key null is a function on the
// stack, none is without the key.
function keeper(m, filter) {
  const match = matcher(filter);
  if (filter.key === null) {
    const has = through(m, Uint8Array.from(m.frames, (f) => (match.test(f.name) ? 1 : 0)));
    return (stack) => has[stack] === 1;
  }
  if (filter.none) return (stack, set) => !m.sets[set].has(filter.key);
  const keep = m.sets.map((s) => match.test(s.has(filter.key) ? s.get(filter.key) : ""));
  return (stack, set) => keep[set];
}

// select keeps the rows that match a filter.
function select(m, rows, filter) {
  const keeps = keeper(m, filter);
  return rows.filter((r) => keeps(m.stack[r], m.set[r]));
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

// chipText is a filter in words.
const chipText = (f) => f.none ? `no ${f.key}` : `${f.key || "function"}${f.exact ? " = " : ": "}${f.text}`;

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
  if (before <= 0) return after > 0 ? "new" : "";
  const part = 100 * (after / before - 1);
  return after <= 0 ? "gone" : `${part >= 0 ? "+" : "−"}${Math.abs(part).toFixed(Math.abs(part) < 10 ? 1 : 0)} %`;
}
