// What flame.html does: draws the trees that the page carries, searches and zooms. Bundled with
// d3-flame-graph into bundle.js by `make flame`.
import { select } from "d3-selection";
import flamegraph from "d3-flame-graph";

// Red grew, blue shrank, by how much of itself; gray stayed.
function color(d, original) {
  if (d.highlight) return original;
  const base = d.data.base, now = d.data.new;
  const change = base + now > 0 ? (now - base) / Math.max(base, now) : 0;
  const pale = Math.round(225 * (1 - Math.min(1, Math.sqrt(Math.abs(change)))));
  if (change > 0) return `rgb(235,${pale},${pale})`;
  if (change < 0) return `rgb(${pale},${pale},235)`;
  return "rgb(225,225,225)";
}

const percent = (v) => (100 * v).toFixed(2) + " %";

function describe(d) {
  const { base: b, new: n } = d.data;
  const change = b > 0 ? ` (${n >= b ? "+" : ""}${(100 * (n / b - 1)).toFixed(1)} %)` : b < n ? " (new)" : "";
  return `${d.data.name}: ${percent(b)} → ${percent(n)}${change}`;
}

const graphs = JSON.parse(document.getElementById("graphs").textContent);
const chart = flamegraph()
  .width(Math.max(600, document.getElementById("chart").clientWidth))
  .cellHeight(18)
  .minFrameSize(1)
  .transitionDuration(0)
  .inverted(true)
  .getValue((d) => (d.base + d.new) / 2)
  .getDelta((d) => d.new - d.base)
  .sort((x, y) => (x.data.name < y.data.name ? -1 : 1))
  .setColorMapper(color)
  .label(describe)
  .setDetailsElement(document.getElementById("details"));

function draw(i) {
  select("#chart").selectAll("*").remove();
  chart.width(Math.max(600, document.getElementById("chart").clientWidth));
  select("#chart").datum(graphs[i].root).call(chart);
}

const columns = document.getElementById("columns");
graphs.forEach((g, i) => columns.add(new Option(g.name, i)));
columns.hidden = graphs.length < 2;
columns.addEventListener("change", () => draw(columns.value));

const search = document.getElementById("search");
search.addEventListener("input", () => (search.value ? chart.search(escapeRegExp(search.value)) : chart.clear()));
document.getElementById("reset").addEventListener("click", () => {
  search.value = "";
  chart.clear();
  chart.resetZoom();
});

// d3-flame-graph reads a term as a regular expression; Go's names are full of its characters.
function escapeRegExp(s) {
  return s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

if (graphs.length > 0) draw(0);
