// The data of the page: gzip of a head in JSON and arrays of varints (encode.go).

async function decode(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(all.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(all.subarray(4, 4 + length)));
  const arrays = {};
  let at = 4 + length;
  for (const a of head.arrays) {
    const out = new Float64Array(a.count);
    at = varints(all, at, out);
    arrays[a.name] = out;
  }
  return model(head, arrays);
}

// varints fills out with numbers from the place at, and returns the place behind them. Beyond 2^53 they are rounded.
function varints(bytes, at, out) {
  for (let i = 0; i < out.length; i++) {
    let b = bytes[at++], low = b & 127, shift = 7;
    while (b > 127 && shift < 28) { b = bytes[at++]; low |= (b & 127) << shift; shift += 7; }
    if (b < 128) { out[i] = low & 1 ? -(low + 1) / 2 : low / 2; continue; }
    let v = low, scale = 2 ** 28;
    do { b = bytes[at++]; v += (b & 127) * scale; scale *= 128; } while (b > 127);
    out[i] = low & 1 ? -(v + 1) / 2 : v / 2;
  }
  return at;
}

// model is what the page works with: rows of samples with the same stack and labels, in the order of their stacks.
function model(head, a) {
  const texts = head.texts;
  const frames = Array.from(a.names, (t, i) => ({ name: texts[t], file: texts[a.files[i]] }));
  const nodes = a.up.length + 1, frame = new Int32Array(nodes).fill(-1), parent = new Int32Array(nodes).fill(-1);
  const calls = new Int32Array(a.calls.length); // where the list of who a function calls begins, behind that of none
  for (let f = 1; f < calls.length; f++) calls[f] = calls[f - 1] + a.calls[f - 1];
  for (let i = 1; i < nodes; i++) {
    let p = i - 1;
    for (let up = a.up[i - 1]; up > 0; up--) p = parent[p];
    parent[i] = p;
    frame[i] = a.callee[calls[frame[p] + 1] + a.call[i - 1]];
  }
  const sets = [], keys = new Map();
  for (let i = 0, at = 0; i < a.pairs.length; i++) {
    const set = new Map();
    for (let n = a.pairs[i]; n > 0; n--, at += 2) {
      const key = texts[a.pair[at]], value = texts[a.pair[at + 1]];
      set.set(key, set.has(key) ? set.get(key) + ", " + value : value);
    }
    for (const [key, value] of set) {
      if (!keys.has(key)) keys.set(key, new Set());
      keys.get(key).add(value);
    }
    sets.push(set);
  }
  const stack = Int32Array.from(a.stack);
  for (let i = 1; i < stack.length; i++) stack[i] += stack[i - 1];
  for (const [i, c] of head.columns.entries()) {
    const values = a[`value ${i}`];
    for (const part of (c.parts || []).map((p) => a[`value ${p}`])) for (let r = 0; r < values.length; r++) values[r] += part[r];
  }
  const at = times(head, a), states = new Map((head.states || []).map((s) => [s.name, s]));
  const columns = head.columns.map((c, i) => ({ ...c, values: a[`value ${i}`] }));
  const m = { head, frames, frame, parent, sets, keys, stack, set: Int32Array.from(a.set), columns, rows: stack.length,
    all: new Int32Array(stack.length).map((_, i) => i), states, ...at };
  m.life = a["lane goid"] && a["lane goid"].length > 0 ? lanesOf(m, a) : null;
  return m;
}

// times are the runs of the rows: cells in which a row has the same number of ticks (series.go).
function times(head, a) {
  if (!a.runs) return {};
  const expected = head.length < 0 ? null : a[`value ${head.length}`];
  const n = a.gap.length, runAt = new Int32Array(a.runs.length + 1), runFrom = new Int32Array(n), runTo = new Int32Array(n);
  const rowTicks = new Float64Array(a.runs.length);
  for (let r = 0, i = 0; r < a.runs.length; r++) {
    runAt[r] = i;
    let left = expected && expected[r] < 2 ** 53 ? Math.floor(expected[r] / head.tick) : 0;
    for (let last = 0, end = i + a.runs[r]; i < end; i++) {
      runFrom[i] = last + a.gap[i];
      last = runTo[i] = runFrom[i] + a.length[i] + 1;
      if (i === end - 1) a.ticks[i] += Math.trunc(left / (last - runFrom[i]));
      const here = (last - runFrom[i]) * a.ticks[i];
      rowTicks[r] += here;
      left -= here;
    }
    runAt[r + 1] = i;
  }
  return { runAt, runFrom, runTo, runTicks: a.ticks, rowTicks };
}

// base64 is the inverse of Go's base64.StdEncoding.
function base64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const s = atob(text), bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i);
  return bytes;
}
