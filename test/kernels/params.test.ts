import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Pass } from "../../kernels/contract.js";
import { wgslText } from "../../scripts/wgsl-module.mjs";
import { passes } from "../support/ops.js";

/** The struct that a kernel reads must be, name for name, the params that the bindings write. */
const TYPES = {
  cpu: { u32: "uint32_t", f32: "float" },
  webgpu: { u32: "u32", f32: "f32" },
  cuda: { u32: "uint32_t", f32: "float" },
} as const;

type Device = keyof typeof TYPES;

const root = fileURLToPath(new URL("../../", import.meta.url));
const readText = (path: string) => readFileSync(root + path, "utf8");

/** The file of each launch, by path; null where there is none. A pass may share its file with another of its folder. */
function filesOf(pass: Pass, device: Device): (string | null)[] {
  const folder = `kernels/${dirname(pass.label)}`;
  const holding = (extension: string, holds: (text: string) => boolean) => {
    const names = readdirSync(root + folder).filter((name) => name.endsWith(extension));
    const found = names.find((name) => holds(readText(`${folder}/${name}`)));
    return found ? `${folder}/${found}` : null;
  };
  switch (device) {
    case "cpu":
      return (pass.cpu?.launches ?? []).map(({ symbol }) =>
        holding(".cpp", (text) =>
          new RegExp(`(REGISTER\\w*\\(|Registration \\w+\\(")${symbol}(_f32|_bf16|_f16)?\\b`).test(text),
        ),
      );
    case "webgpu":
      return (pass.webgpu?.launches ?? []).map(({ source }) =>
        holding(".wgsl", (text) => wgslText(text) === source.text),
      );
    case "cuda": {
      const path = `kernels/${pass.label}.cu`;
      return pass.cuda ? [existsSync(root + path) ? path : null] : [];
    }
    default:
      throw new Error(device satisfies never);
  }
}

/** The text of a file, with that of the headers of its own folder in front, without comments. */
function expanded(path: string): string {
  const text = readText(path);
  const headers = [...text.matchAll(/^#include "([\w./-]+)"/gm)]
    .map(([, header]) => (header.includes("/") ? header : `${dirname(path)}/${header}`))
    .filter((header) => dirname(header) === dirname(path) && /\.(h|cuh)$/.test(header));
  return headers.map(expanded).join("\n") + text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}

/** What stands between the braces of `struct Params`, member functions left out; null where there is no such struct. */
function bodyOfParams(text: string): string | null {
  const start = /\bstruct\s+Params\s*\{/.exec(text);
  if (!start) return null;
  let body = "";
  let depth = 1;
  for (const c of text.slice(start.index + start[0].length)) {
    if (c === "}" && --depth === 0) break;
    if (depth === 1) body += c === "}" ? ";" : c;
    if (c === "{") depth++;
  }
  return body;
}

/** The members of a struct as "name: type". */
function members(body: string, device: Device): string[] {
  if (device === "webgpu") return [...body.matchAll(/(\w+)\s*:\s*(\w+)/g)].map(([, name, type]) => `${name}: ${type}`);
  return body
    .split(";")
    .filter((declaration) => declaration.trim() && !declaration.includes("("))
    .flatMap((declaration) => {
      const [, type, names] = /^\s*(?:std::)?(\w+)\s+([\s\S]+)$/.exec(declaration) ?? [];
      return (names ?? "").split(",").map((name) => `${name.trim()}: ${type}`);
    });
}

const declared = (pass: Pass, device: Device) =>
  pass.paramNames.map((name) => `${name}: ${TYPES[device][pass.params[name]]}`);

describe("every kernel file takes the params of its pass", () => {
  test("there are passes", () => expect(passes.length).toBeGreaterThan(0));

  for (const pass of passes) {
    for (const device of Object.keys(TYPES) as Device[]) {
      if (!pass[device]) continue;
      test(`${pass.label} on ${device}`, () => {
        filesOf(pass, device).forEach((file, i) => {
          if (!file) expect.fail(`${pass.label}: no file in its folder holds its ${device} launch ${i}`);
          const text = expanded(file);
          const body = bodyOfParams(text);
          // A kernel that says that it reads no params needs no struct.
          if (body === null && /\(void\)params;/.test(text)) return;
          const places = device === "webgpu" ? (pass.webgpu?.launches[i].places ?? []) : [];
          const placed = places.flatMap((name) => [`${name}First: u32`, `${name}Whole: u32`]);
          expect(members(body ?? "", device), file).toEqual([...declared(pass, device), ...placed]);
        });
      });
    }
  }
});
