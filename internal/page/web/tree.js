// Trees of rows. The rows are in the order of their stacks, so that what two neighbours have in common is the begin of
// both; a tree's nodes are in preorder, which leaves nothing to look up.

// depths is how many frames each node of the trie of all stacks has, and which is the outermost of its function.
function measure(m) {
  const n = m.parent.length, depth = new Int32Array(n), outermost = new Uint8Array(n), open = new Int32Array(m.frames.length);
  const path = [];
  for (let i = 1; i < n; i++) {
    depth[i] = depth[m.parent[i]] + 1;
    while (path.length >= depth[i]) open[m.frame[path.pop()]]--;
    path.push(i);
    outermost[i] = open[m.frame[i]]++ === 0 ? 1 : 0;
  }
  m.depth = depth;
  m.outermost = outermost;
}

// Grower collects nodes; sides is one set of weights, or two to compare.
class Grower {
  constructor(sides) {
    this.n = 0;
    this.name = new Int32Array(1024);
    this.parent = new Int32Array(1024);
    this.self = sides.map(() => new Float64Array(1024));
  }
  add(name, parent) {
    if (this.n === this.name.length) this.double();
    this.name[this.n] = name;
    this.parent[this.n] = parent;
    return this.n++;
  }
  double() {
    const larger = (old) => { const a = new old.constructor(2 * old.length); a.set(old); return a; };
    this.name = larger(this.name);
    this.parent = larger(this.parent);
    this.self = this.self.map(larger);
  }
  // tree is what was collected, with the sums of all that is below each node.
  tree(label) {
    const { n } = this, parent = this.parent.subarray(0, n), end = new Int32Array(n), depth = new Int32Array(n);
    const self = this.self.map((s) => s.subarray(0, n)), totals = self.map((s) => s.slice());
    for (let i = 1; i < n; i++) depth[i] = depth[parent[i]] + 1;
    for (let i = n - 1; i >= 0; i--) {
      if (end[i] <= i) end[i] = i + 1;
      if (i > 0 && end[parent[i]] < end[i]) end[parent[i]] = end[i];
    }
    for (const t of totals) for (let i = n - 1; i > 0; i--) t[parent[i]] += t[i];
    return { n, name: this.name.subarray(0, n), parent, end, depth, self, totals, label };
  }
}

// grow is the tree of some rows below the values of their labels. weights are by row; names from -1 down are labels.
function grow(m, rows, weights, keys) {
  const g = new Grower(weights), labels = [{ text: "all" }];
  const branch = (rows, level, parent) => {
    if (level === keys.length) return stacks(m, g, rows, weights, parent);
    const key = keys[level];
    for (const { value, rows: mine } of groups(m, rows, weights, key)) {
      const text = value === undefined ? `no ${key}` : key === "go.state" ? `[${value}]` : `${key}=${value}`;
      labels.push({ key, value, text });
      branch(mine, level + 1, g.add(-labels.length, parent));
    }
  };
  branch(rows, 0, g.add(-1, -1));
  const tree = g.tree((name) => (name < 0 ? labels[-1 - name].text : m.frames[name].name));
  tree.group = (name) => labels[-1 - name];
  return tree;
}

// groups are rows by the value of a label, undefined without it; the largest first, each in the order that the rows have.
function groups(m, rows, weights, key) {
  const number = new Map(), of = Int32Array.from(m.sets, (s) => {
    const value = s.get(key);
    if (!number.has(value)) number.set(value, number.size);
    return number.get(value);
  });
  const all = Array.from(number.keys(), (value) => ({ value, n: 0, sum: 0, rows: null }));
  for (const r of rows) {
    const group = all[of[m.set[r]]];
    group.n++;
    for (const w of weights) group.sum += w[r];
  }
  for (const group of all) { group.rows = new Int32Array(group.n); group.n = 0; }
  for (const r of rows) { const group = all[of[m.set[r]]]; group.rows[group.n++] = r; }
  return all.filter((group) => group.n > 0).sort((a, b) => b.sum - a.sum);
}

// stacks adds the stacks of rows, which are in order, below a node.
function stacks(m, g, rows, weights, root) {
  const path = [0], out = [root], way = [];
  for (const r of rows) {
    let t = m.stack[r];
    for (way.length = 0; path[m.depth[t]] !== t; t = m.parent[t]) way.push(t);
    path.length = out.length = m.depth[t] + 1;
    while (way.length > 0) {
      t = way.pop();
      out.push(g.add(m.frame[t], out[path.length - 1]));
      path.push(t);
    }
    for (let side = 0; side < weights.length; side++) g.self[side][out[path.length - 1]] += weights[side][r];
  }
}

// sums is what each function takes itself and with all that it calls; where a function calls itself, once.
function sums(m, rows, weight) {
  const n = m.parent.length, total = new Float64Array(n), flat = new Float64Array(m.frames.length), cum = new Float64Array(m.frames.length);
  for (const r of rows) total[m.stack[r]] += weight[r];
  for (let i = 1; i < n; i++) flat[m.frame[i]] += total[i];
  for (let i = n - 1; i > 0; i--) {
    if (m.outermost[i]) cum[m.frame[i]] += total[i];
    total[m.parent[i]] += total[i];
  }
  return { flat, cum, all: total[0] };
}

// through says of each node of the trie whether one of some functions is on its way to the root.
function through(m, wanted) {
  const has = new Uint8Array(m.parent.length);
  for (let i = 1; i < has.length; i++) has[i] = has[m.parent[i]] | wanted[m.frame[i]];
  return has;
}

// around are the callers of a function, innermost first, and what it calls: two trees that begin with it.
function around(m, rows, weights, f) {
  const up = new Merger(weights), down = new Merger(weights), way = [];
  for (const r of rows) {
    let at = -1;
    way.length = 0;
    for (let t = m.stack[r]; t > 0; t = m.parent[t]) {
      way.push(m.frame[t]);
      if (m.frame[t] === f) at = way.length - 1; // the outermost
    }
    if (at < 0) continue;
    up.path(way.slice(at), r);
    down.path(way.slice(0, at + 1).reverse(), r);
  }
  const label = (name) => m.frames[name].name;
  return { callers: up.tree(label), callees: down.tree(label) };
}

// Merger is for paths in any order, which all begin with the same function.
class Merger {
  constructor(weights) { this.weights = weights; this.root = this.node(); }
  node() { return { below: new Map(), self: this.weights.map(() => 0), sum: 0 }; }
  path(names, row) {
    let node = this.root;
    for (const name of names) {
      if (!node.below.has(name)) node.below.set(name, this.node());
      node = node.below.get(name);
      for (const w of this.weights) node.sum += w[row];
    }
    this.weights.forEach((w, side) => { node.self[side] += w[row]; });
  }
  tree(label) {
    const g = new Grower(this.weights);
    const walk = (node, parent) => {
      for (const [name, child] of [...node.below].sort((a, b) => b[1].sum - a[1].sum)) {
        const at = g.add(name, parent);
        child.self.forEach((v, side) => { g.self[side][at] = v; });
        walk(child, at);
      }
    };
    walk(this.root, -1);
    return g.tree(label);
  }
}
