#!/usr/bin/env node
// How much others download: the tarball, and the engine by itself. After `npm run setup`.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));
const kB = (bytes) => `${(bytes / 1000).toFixed(0)} kB`;
const row = (name, ...cells) => console.log(name.padEnd(44), cells.join(", "));

const options = ["pack", "--dry-run", "--ignore-scripts", "--json"];
const [tarball] = JSON.parse(execFileSync("npm", options, { cwd: root, encoding: "utf8" }));
row("tarball", `${kB(tarball.size)} packed`, `${kB(tarball.unpackedSize)} unpacked`, `${tarball.entryCount} files`);

/** Compiled files of some folders as one text: what a bundle starts from, before anything is left out or shortened. */
function compiled(folders, wanted = /\.js$/) {
  const texts = folders.flatMap((folder) =>
    readdirSync(join(root, "dist", folder), { recursive: true, encoding: "utf8" })
      .filter((path) => wanted.test(path))
      .sort()
      .map((path) => readFileSync(join(root, "dist", folder, path))),
  );
  return Buffer.concat(texts);
}

for (const [name, text] of [
  ["engine", compiled(["engine"])],
  ["engine with every kernel and device", compiled(["engine", "kernels", "bindings"])],
  ["models", compiled(["models"])],
])
  row(`${name}, as compiled`, `${kB(text.length)}`, `${kB(gzipSync(text).length)} gzip`);
