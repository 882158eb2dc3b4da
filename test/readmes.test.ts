import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Files and folders that the texts of the repository name are where they say. */
const root = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = [
  "apps",
  "bench",
  "bindings",
  "data",
  "docs",
  "engine",
  "examples",
  "kernels",
  "models",
  "scripts",
  "test",
];
/** Without what is installed or made. */
const inside = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => !name.includes("node_modules") && !name.startsWith("docs/api/")),
);
const fileNames = new Set(inside.map((name) => name.slice(name.lastIndexOf("/") + 1)));
const texts = [...readdirSync(root), ...inside].filter((name) => name.endsWith(".md") && name !== "CHANGELOG.md");

/** Made by a build, a command, or the reader. */
const MADE = new Set(["dist/", "report.html", "xor.mjs"]);

/** What a text names in `code` that is a source file or a folder, and what its links lead to. */
function named(text: string): string[] {
  const codes = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
  return [
    ...codes.filter((code) => /^[\w@.][\w@./-]*(\.(ts|mjs|cpp|h|cu|wgsl|md|html)|\/)$/.test(code)),
    ...links.filter((link) => !/^[a-z]+:/.test(link)),
  ].filter((name) => !MADE.has(name));
}

/** From the text's folder or from the root; a name alone may be that of files or folders in several places. */
const isThere = (name: string, file: string): boolean =>
  [join(root, dirname(file), name), join(root, name)].some(existsSync) || fileNames.has(name.replace(/\/$/, ""));

describe("files and folders that a text names are there", () => {
  test.each(texts)("%s", (file) => {
    const names = named(readFileSync(join(root, file), "utf8"));
    expect(names.filter((name) => !isThere(name, file))).toEqual([]);
  });

  test("one that is not is found", () => {
    const names = named("In `apps/cli/run-flags.ts` and `apps/cli/`, [here](docs/none.md) and `config.json`.");
    expect(names.filter((name) => !isThere(name, "README.md"))).toEqual(["apps/cli/run-flags.ts", "docs/none.md"]);
  });
});
