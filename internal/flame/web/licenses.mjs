// Prints the licence texts of what is in bundle.js.
import { readFileSync, readdirSync, existsSync } from "node:fs";

for (const name of readdirSync("node_modules").sort()) {
  const dir = `node_modules/${name}`;
  if (name.startsWith(".") || name.startsWith("@") || name === "esbuild") continue;
  const { version, license } = JSON.parse(readFileSync(`${dir}/package.json`));
  console.log(`${name} ${version} (${license})\n`);
  if (existsSync(`${dir}/LICENSE`)) console.log(readFileSync(`${dir}/LICENSE`, "utf8"));
}
