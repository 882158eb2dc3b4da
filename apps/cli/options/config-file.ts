/** Files of settings: YAML, or JSON as run.json of a run has it. */
import type { Document } from "yaml";
import { io } from "../../../engine/index.js";
import { isTree, type Tree } from "./config-flags.js";

/** Settings before flags change them, and where they are from. */
export interface GivenSettings {
  readonly values: Tree;
  /** For messages. */
  readonly file: string;
  readonly lineOf?: io.LineOf;
}

/** The values of a file and the lines that they stand on; `command` is the one whose --print-config shows its keys. */
export async function readConfigFile(file: string, command: string): Promise<GivenSettings> {
  const text = await io.readText(file, "Give a YAML or JSON file to --config");
  const isYaml = /\.ya?ml$/i.test(file);
  // Its own parser says best what is wrong with JSON; that of YAML reads it, too, and knows the lines.
  if (!isYaml) io.parseJson(text, file);
  const { values, lineOf } = await readYaml(text, file);
  if (isTree(values)) return { values, file, lineOf };
  throw new io.FileFormatError(
    file,
    `it is not a ${isYaml ? "list of `key: value`" : "JSON object"}`,
    `See consilium ${command} --print-config for its keys`,
  );
}

async function readYaml(text: string, file: string): Promise<{ values: unknown; lineOf: io.LineOf }> {
  const { isMap, isNode, isScalar, LineCounter, parseDocument } = await import("yaml");
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, customTags: (tags) => [BOOLEAN, ...tags] });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    // The parser follows nesting by calling itself. Behind its first line, a message shows the place.
    const message = error.code === "RESOURCE_EXHAUSTION" ? TOO_DEEP : error.message;
    const [what] = message.replace(/ at line \d+, column \d+:?/, "").split("\n");
    throw new io.FileFormatError(`${file}:${line}:${col}`, `this is no YAML (${what})`, "Correct that line");
  }
  const lineOf: io.LineOf = (path) => {
    if (path.length === 0) return null;
    const parent = document.getIn(path.slice(0, -1), true);
    const key = path.at(-1);
    const pair = isMap(parent)
      ? parent.items.find(({ key: k }) => isScalar(k) && String(k.value) === String(key))?.key
      : document.getIn(path, true);
    return isNode(pair) && pair.range ? lineCounter.linePos(pair.range[0]).line : null;
  };
  return { values: await valuesOf(document, file), lineOf };
}

/** What a document says, its aliases followed. Throws FileFormatError where one of them names nothing, itself, or too much. */
async function valuesOf(document: Document, file: string): Promise<unknown> {
  const { isAlias, visit } = await import("yaml");
  const fault = (what: string, cause?: unknown) =>
    new io.FileFormatError(file, `its aliases cannot be followed (${what})`, "Write the values out", { cause });
  const named = new Map<string, unknown>();
  try {
    visit(document, {
      Node(_, node, parents) {
        if (isAlias(node)) {
          if ((parents as readonly unknown[]).includes(named.get(node.source)))
            throw fault(`*${node.source} stands inside what it names`);
        } else if (node.anchor) named.set(node.anchor, node);
      },
    });
    return document.toJS();
  } catch (cause) {
    // Names that nothing has, and those that multiply.
    if (cause instanceof ReferenceError) throw fault(cause.message, cause);
    // Both call themselves, too, and the stack was full.
    if (cause instanceof RangeError) throw new io.FileFormatError(file, TOO_DEEP, "Write them flat", { cause });
    throw cause;
  }
}

const TOO_DEEP = "its values are nested too deep";

/** Booleans as people write them, too: YAML 1.2 takes yes, no, on and off for text. */
const BOOLEAN = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:yes|no|on|off)$/i,
  identify: () => false,
  resolve: (text: string) => /^(?:yes|on)$/i.test(text),
} as const;
