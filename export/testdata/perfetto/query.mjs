// Runs queries (PerfettoSQL) on traces in Perfetto's own trace processor, as its UI does: the WebAssembly of a release of
// Perfetto, in the folder that is the first argument. Standard input has the queries, as JSON, the other arguments are traces;
// standard output has for each trace the rows of each query, or what the trace processor says against it.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";

const [folder, ...files] = process.argv.slice(2).map((a) => resolve(a)), queries = JSON.parse(readFileSync(0, "utf8"));
const { EngineBase } = await import(pathToFileURL(join(folder, "engine.mjs")).href);

// The script that a browser runs in a worker is run here, with what it looks for there, and hands its bridge out.
Object.assign(globalThis, { self: globalThis, location: { href: pathToFileURL(folder).href + "/" }, WorkerGlobalScope: class {} });
globalThis.wasm = readFileSync(join(folder, "trace_processor.wasm"));
const script = [
  ["this.useMemory64 = hasMemory64Support();", "this.useMemory64 = false;"],
  ["locateFile: (s) => s,", "locateFile: (s) => s, wasmBinary: globalThis.wasm,"],
  ["const wasmBridge = new wasm_bridge_1.WasmBridge();", "const wasmBridge = globalThis.bridge = new wasm_bridge_1.WasmBridge();"],
].reduce((text, [from, to]) => {
  if (!text.includes(from)) throw new Error(`the script has changed: no ${from}`);
  return text.replace(from, to);
}, readFileSync(join(folder, "engine_bundle.node.js"), "utf8"));
runInThisContext(script);

class Engine extends EngineBase {
  mode = "WASM";
  id = "trace";
  constructor(port) {
    super();
    this.port = port;
    port.onmessage = (m) => { if (m.data instanceof Uint8Array) this.onRpcResponseBytes(m.data); };
  }
  rpcSendRequestBytes(data) { this.port.postMessage(data); }
}

console.warn = () => {};
const { port1, port2 } = new MessageChannel();
globalThis.bridge.initialize(port1);
const engine = new Engine(port2);

async function ask(trace) {
  await engine.resetTraceProcessor({ cropTrackEvents: false, ingestFtraceInRawTable: false, analyzeTraceProtoContent: false, ftraceDropUntilAllCpusValid: false });
  for (let at = 0; at < trace.length; at += 1 << 24) await engine.parse(new Uint8Array(trace.subarray(at, at + (1 << 24))));
  await engine.notifyEof();
  const answers = [];
  for (const sql of queries) {
    const result = await engine.query(sql), columns = result.columns(), rows = [];
    if (result.error()) throw new Error(`${sql}: ${result.error()}`);
    for (const it = result.iter({}); it.valid(); it.next()) rows.push(columns.map((c) => String(it.get(c))));
    answers.push(rows);
  }
  return answers;
}

const all = [];
for (const file of files) all.push(await ask(readFileSync(file)));
process.stdout.write(JSON.stringify(all), () => process.exit(0));
