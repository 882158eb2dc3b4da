#!/usr/bin/env node
// Runs what the READMEs show: every line of a ```sh block, every ```js block as a module. Long commands get a short
// budget: the demo and the benchmarks have a flag for that.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = process.argv.slice(2);
if (files.length === 0)
  files.push(
    "README.md",
    "bench/README.md",
    "models/med-moe/README.md",
    "examples/stories260k/README.md",
    "docs/extending.md",
    "test/simt/README.md",
    "test/fuzz/README.md",
  );

/** Where the stages of a README go, each of which reads what the one before wrote. */
const stages = mkdtempSync(join(tmpdir(), "consilium-readme-"));

/** Parts of commands that CI runs in another form, one after the other; null for what it runs elsewhere. */
const SHORT = [
  [/^npm run demo$/, "npm run demo -- --fast --out runs/readme"],
  [/^npm run fuzz$/, "npm run fuzz -- --files 2000"],
  [/^npm run bench$/, "npm run bench -- --budget 20s"],
  [/ --out runs\/(own|tiny|release)$/, ' --out "$(mktemp -d)"'],
  [/ runs\/demo\//, " runs/readme/"],
  [/ runs\/stages\//g, ` ${stages}/`],
  [/^npm test$/, null],
  [/^git clone/, null],
  [/^cd /, null],
];

let failed = 0;
function run(shown, command, args) {
  const started = Date.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], timeout: 600_000 });
  console.log(
    `${status === 0 ? "ok" : `FAILED (${status})`} in ${((Date.now() - started) / 1000).toFixed(1)} s: ${shown}`,
  );
  if (status !== 0) failed++;
}

for (const file of files) {
  for (const [, language, block] of readFileSync(`${root}/${file}`, "utf8").matchAll(/```(\w+)\n([\s\S]*?)```/g)) {
    if (language === "sh")
      for (const line of block.split("\n").map((l) => l.replace(/\s+#.*$/, "").trim())) {
        if (!line || line.startsWith("#")) continue;
        const command = SHORT.reduce((text, [pattern, other]) => {
          if (text === null || !pattern.test(text)) return text;
          return other === null ? null : text.replace(pattern, other);
        }, line);
        if (command) run(command, "bash", ["-c", command]);
        else console.log(`not here: ${line}`);
      }
    if (language === "js") {
      const path = `${root}/.readme-example.mjs`;
      writeFileSync(path, block);
      run(`the example of ${file}, ${block.trimEnd().split("\n").length} lines`, process.execPath, [path]);
      rmSync(path);
    }
  }
}
rmSync(stages, { recursive: true });
process.exit(failed ? 1 : 0);
