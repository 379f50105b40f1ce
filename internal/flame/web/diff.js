// The flame graphs of a comparison: trees of { name, base, new, children }, as shares of the base side's whole.

// flatten makes a tree of such nodes what FlameGraph draws.
function flatten(root) {
  const names = [], parent = [], end = [], depth = [], sides = [[], []];
  const walk = (node, up) => {
    const i = names.push(node.name) - 1;
    parent.push(up);
    depth.push(up < 0 ? 0 : depth[up] + 1);
    sides[0].push(node.base);
    sides[1].push(node.new);
    for (const child of node.children || []) walk(child, i);
    end[i] = names.length;
  };
  walk(root, -1);
  return { n: names.length, name: names.map((_, i) => i), parent, end, depth, totals: sides, label: (i) => names[i] };
}

function showGraphs() {
  const graphs = JSON.parse(document.getElementById("graphs").textContent), id = (name) => document.getElementById(name);
  const share = (v) => (100 * v).toFixed(2) + " %";
  const graph = new FlameGraph(id("chart"), {
    up: () => false,
    colour: (i, t) => changeColour(t.totals[0][i], t.totals[1][i]),
    describe: (i, t) => {
      const [b, n] = t.totals.map((s) => s[i]), change = b > 0 ? ` (${n >= b ? "+" : ""}${(100 * (n / b - 1)).toFixed(1)} %)` : b < n ? " (new)" : "";
      return `${t.label(t.name[i])}: ${share(b)} → ${share(n)}${change}`;
    },
  });
  const columns = id("columns"), search = id("search");
  const mark = () => graph.mark(search.value && graph.tree ? graph.tree.name.map((n) => graph.tree.label(n).includes(search.value)) : null);
  const draw = () => { graph.show(flatten(graphs[columns.value].root)); mark(); };
  graphs.forEach((g, i) => columns.add(new Option(g.name, i)));
  columns.hidden = graphs.length < 2;
  columns.addEventListener("change", draw);
  search.addEventListener("input", mark);
  id("reset").addEventListener("click", () => { search.value = ""; graph.at = -1; graph.zoom(0); mark(); });
  document.querySelectorAll(".swatch i").forEach((e, i) => { e.style.background = changeColour(...[[1, 3], [1, 1], [3, 1]][i]); });
  dark.addEventListener("change", () => graph.paint());
  if (graphs.length > 0) draw();
  return graph;
}
