// Colours, the same on all pages. Those of states, kindColours, come from colours.go: terminals have them too. Each state has its
// name beside it.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

// scaled is a length in CSS pixels as the width of the screen has it: what suits a laptop is too small at 4k.
const wide = window.matchMedia("(min-width: 2400px)");
const scaled = (px) => (wide.matches ? px * 1.6 : px);

// isDark says so, unless the page is always light.
const isDark = () => dark.matches && !document.documentElement.hasAttribute("data-light");

// colours are those of the theme that the reader has.
function colours() {
  return isDark()
    ? { ink: "#f0f0f0", paper: "#15181c", mark: "#ffffff", quiet: "#9aa4af", still: "#4a4f57", lightness: 34, saturation: 45, heat: [86, 180, 233] }
    : { ink: "#101418", paper: "#ffffff", mark: "#000000", quiet: "#5b6875", still: "#dcdcdc", lightness: 78, saturation: 62, heat: [0, 80, 140] };
}

// inkOn is what can be read on a colour of a kind; frames have the theme's own ink.
function inkOn(colour, theme) {
  if (!colour.startsWith("#")) return theme.ink;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 125 ? "#101418" : "#ffffff";
}

// frameColour tells the code of the program and its dependencies, the standard library, the runtime and the rest apart.
function frameColour(name) {
  const c = colours(), hue = { program: 32, library: 202, runtime: 265, none: 0 }[codeOf(name)];
  let h = 0;
  for (const letter of packageOf(name)) h = (h * 31 + letter.codePointAt(0)) >>> 0;
  const saturation = codeOf(name) === "none" ? 0 : c.saturation;
  return `hsl(${hue + (h % 24) - 12} ${saturation}% ${c.lightness + (h >>> 5) % 9 - 4}%)`;
}

// packageOf is the import path in a function's name, as timeline.PackageOf has it.
function packageOf(name) {
  const end = name.search(/[([]/), slash = name.slice(0, end < 0 ? undefined : end).lastIndexOf("/") + 1;
  const dot = name.indexOf(".", slash);
  return dot < 0 ? "" : name.slice(0, dot);
}

function codeOf(name) {
  const pkg = packageOf(name);
  if (pkg === "") return "none";
  if (pkg === "runtime" || pkg.startsWith("runtime/") || pkg.startsWith("internal/runtime")) return "runtime";
  return pkg === "main" || pkg.split("/")[0].includes(".") ? "program" : "library";
}

// changeColour is red for what is more on the second side, blue for what is less, by how much of itself; gray is the same.
function changeColour(before, after) {
  const most = Math.max(before, after), change = most > 0 ? (after - before) / most : 0;
  const from = isDark() ? [74, 79, 87] : [220, 220, 220], to = change > 0 ? [213, 70, 40] : [40, 110, 200];
  const part = Math.sqrt(Math.min(1, Math.abs(change)));
  return `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * part)).join(",")})`;
}
