// Table is the functions with what they take, the largest first; of two windows, what each has a second.
class Table {
  constructor(parent, page) {
    this.page = page;
    this.by = page.m.keys.has("go.state") ? "cum" : "flat"; // waits end in runtime.gopark, all of them
    const table = element("table", {}, parent);
    this.head = element("tr", {}, element("thead", {}, table));
    this.body = element("tbody", {}, table);
    this.more = element("p", { className: "found" }, parent);
  }

  show() {
    const { page } = this, { m, sides } = page, two = sides.length > 1, [a, b] = sides;
    this.header(two);
    const key = two ? (f) => Math.abs(b[this.by][f] - a[this.by][f]) : (f) => a[this.by][f];
    const all = Array.from(m.frames.keys()).filter((f) => sides.some((s) => s.cum[f] > 0)).sort((x, y) => key(y) - key(x));
    this.body.replaceChildren(...all.slice(0, 100).map((f) => this.row(f, two)));
    this.more.textContent = all.length > 100 ? `the first 100 of ${all.length} functions: search finds the others` : "";
  }

  header(two) {
    const choose = (by, text) => {
      const th = element("th", {}), button = element("button", { type: "button", textContent: text }, th);
      button.setAttribute("aria-pressed", this.by === by);
      button.addEventListener("click", () => { this.by = by; this.show(); });
      return th;
    };
    const heads = two ? [element("th", { textContent: "A" }), element("th", { textContent: "B" })] : [];
    this.head.replaceChildren(...heads, choose("flat", two ? "flat ±" : "flat"), choose("cum", two ? "cum ±" : "cum"),
      element("th", { textContent: "function" }));
  }

  row(f, two) {
    const { page, by } = this, { m, sides } = page, [a, b] = sides, row = element("tr", { title: m.frames[f].file });
    const cells = two
      ? [page.say(a[by][f]), page.say(b[by][f]), change(a.flat[f], b.flat[f]), change(a.cum[f], b.cum[f])]
      : [a.flat[f] > 0 ? `${page.say(a.flat[f])} ${percent(a.flat[f], a.all)}` : "", `${page.say(a.cum[f])} ${percent(a.cum[f], a.all)}`];
    for (const text of cells) element("td", { textContent: text }, row);
    const name = element("button", { type: "button", textContent: m.frames[f].name }, element("td", {}, row));
    name.addEventListener("click", () => page.pick(f));
    return row;
  }
}
