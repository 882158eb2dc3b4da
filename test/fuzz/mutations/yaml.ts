/** YAML: other values in the same form, and what the language has beyond values. */
import { isMap, parse, parseDocument, stringify } from "yaml";
import type { Random } from "../random.js";
import { text, utf8 } from "./bytes.js";
import { type Json, mutateTree, written } from "./json.js";

export function mutateYaml(bytes: Uint8Array, random: Random): Uint8Array {
  const source = text(bytes);
  if (random.chance(0.4)) return utf8(beyond(source, random));
  const tree = mutateTree(parse(source) as Json, random);
  // What has no form as a value stands as in JSON, which is YAML, too.
  const flow = written(tree);
  try {
    return utf8(random.chance(0.7) ? stringify(JSON.parse(flow)) : flow);
  } catch {
    return utf8(flow);
  }
}

/** Anchors, merges, tags, documents, blanks and depths. */
function beyond(source: string, random: Random): string {
  const lines = source.split("\n").filter((line) => line.trim() !== "");
  const at = random.below(lines.length);
  const [key] = lines[at].split(":");
  const levels = random.pick([3, 6, 9, 12]);
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i <= levels; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(", ")}]`,
    );
  const deep = random.pick([50, 600, 5000, 50_000]);
  const added = random.pick<readonly string[]>([
    bomb,
    ["cycle: &cycle [*cycle]"],
    ["cycle: &cycle {inner: *cycle}"],
    ["<<: *nowhere"],
    ["<<: [1, 2]"],
    ["base: &base {epochs: 1}", "<<: *base"],
    ["<<: &merge {<<: *merge}"],
    [`deep: ${"[".repeat(deep)}${"]".repeat(deep)}`],
    [`deep: ${"{a: ".repeat(deep)}1${"}".repeat(deep)}`],
    ["? [a, b]\n: c"],
    ["? {a: b}\n: c"],
    ["date: 2024-02-30T99:99:99Z"],
    ["set: !!set {a, b}"],
    ["map: !!omap [a: 1, b: 2]"],
    ["bytes: !!binary ////"],
    ['bytes: !!binary "*"'],
    ["tagged: !!js/function 'function () { while (true); }'"],
    ["tagged: !<tag:nowhere> x"],
    ["%YAML 9.9", "---"],
    ["---", "epochs: 2"],
    ["...", "x"],
    ["text: |9", "  x"],
    ["text: >-", "\t x"],
    ["__proto__: {polluted: true}"],
    ["constructor: {prototype: {polluted: true}}"],
    [`long: ${"x".repeat(100_000)}`],
    [`${"k".repeat(3000)}: 1`],
    ["hex: 0xfffffffffffffffffffffffff", "inf: .inf", "nan: .nan", "octal: 0o777"],
  ]);
  switch (random.below(4)) {
    case 0:
      lines.splice(at, 1, ...added);
      break;
    case 1:
      lines[at] =
        `${key}: ${random.pick(["*a", "&a", "!!int x", "!!float yes", "[", "{", '"', "'", "|", "- 1", "@", "`", "~", "&a *a"])}`;
      break;
    case 2:
      lines.splice(at, 0, lines[random.below(lines.length)]);
      break;
    default:
      lines.push(...added);
  }
  return `${lines.join("\n")}\n`;
}

/** Whether the text is YAML whose top is a map: anchors are not followed. */
export function isYamlMap(bytes: Uint8Array): boolean {
  try {
    const { errors, contents } = parseDocument(text(bytes), { logLevel: "silent" });
    return errors.length === 0 && isMap(contents);
  } catch {
    return false;
  }
}
