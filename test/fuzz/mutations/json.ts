/** JSON with other values, types, keys and depths; its syntax stays right. */
import type { Random } from "../random.js";
import { text, utf8 } from "./bytes.js";

/** Text that stands for itself: what no value of JavaScript is written as. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Json = null | boolean | number | string | Raw | Json[] | { [key: string]: Json };
type Container = Json[] | { [key: string]: Json };
/** A value and where it stands. */
type Place = readonly [container: Container, key: string];

/** The text of a JSON file, changed in one to three places. */
export function mutateJson(bytes: Uint8Array, random: Random): Uint8Array {
  return utf8(written(mutateTree(JSON.parse(text(bytes)), random)));
}

/** JSON lines: some of them changed, dropped or repeated. */
export function mutateJsonLines(bytes: Uint8Array, random: Random): Uint8Array {
  const sound = text(bytes)
    .split("\n")
    .filter((line) => line !== "");
  const lines = [...sound];
  for (let edits = 1 + random.below(3); edits > 0 && lines.length > 0; edits--) {
    const at = random.below(lines.length);
    if (random.chance(0.75)) lines[at] = written(mutateTree(JSON.parse(random.pick(sound)), random));
    else if (random.chance(0.3)) lines.splice(at, 1);
    else if (random.chance(0.5)) lines.splice(at, 0, random.pick(sound));
    else lines[at] = random.pick(["", "null", "[]", "7", '"text"', lines[at].slice(0, -2), "\ufeff", "{}"]);
  }
  return utf8(lines.join(random.pick(["\n", "\n", "\r\n", "\n\n"])) + random.pick(["", "\n"]));
}

/** A copy of a tree, changed in one to three places. */
export function mutateTree(tree: Json, random: Random): Json {
  const root = { root: structuredClone(tree) as Json };
  for (let edits = 1 + random.below(3); edits > 0; edits--) edit(root, random);
  return root.root;
}

function edit(root: { root: Json }, random: Random): void {
  const places = placesIn(root);
  // Leaves are many: one time in three a container is changed, or what is in it is lost.
  const containers = places.filter(([container, key]) => isContainer(valueAt([container, key])));
  const [container, key] = random.pick(random.chance(0.35) && containers.length > 0 ? containers : places);
  const value = valueAt([container, key]);
  set([container, key], changed(value, places, random));
  if (container !== root && random.chance(0.2)) shuffleKeys(container, key, random);
}

function changed(value: Json, places: readonly Place[], random: Random): Json {
  if (random.chance(0.25)) return anyValue(random);
  if (random.chance(0.1)) return structuredClone(stripped(valueAt(random.pick(places))));
  if (random.chance(0.05)) return nested(value, random.pick([3, 100, 600, 20_000]));
  if (typeof value === "number") return otherNumber(value, random);
  if (typeof value === "string") return otherText(value, random);
  if (typeof value === "boolean") return random.pick<Json>([!value, String(value), value ? 1 : 0]);
  if (Array.isArray(value)) return otherList(value, random);
  if (isContainer(value)) return otherObject(value as { [key: string]: Json }, random);
  return anyValue(random);
}

const VALUES: readonly Json[] = [
  ...[null, true, false, 0, -1, 1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e21, -1e308, 1e308],
  ...["", " ", "a", "0", "-1", "true", "null", "NaN", "__proto__", "../../x", "a\0b", "\n", "[", "a".repeat(5000)],
  ...["\ud800", "🫁", "é".repeat(300), "*", ".*(a+)+$", "(", "%s", "{}"],
  ...[[], {}, [[]], [{}], [null], { a: 1 }, [1, 2], ["a", "b"], { toString: 1 }, { length: 1e9 }, { valueOf: null }],
  ...[new Raw("1e999"), new Raw("-0"), new Raw("123456789012345678901234567890"), new Raw('"\\u0000\\uffff"')],
];

/** A copy: what is put into one file is changed there, and must not be in the next. */
function anyValue(random: Random): Json {
  const value = random.pick(VALUES);
  return isContainer(value) ? structuredClone(value) : value;
}

function otherNumber(value: number, random: Random): Json {
  return random.pick<Json>([
    ...[value + 1, value - 1, -value, value * 2, value * 1000, value * 1e9, value + 0.5, value / 3, 0, 2 ** 40],
    ...[String(value), [value], new Raw(`${value}e300`)],
  ]);
}

function otherText(value: string, random: Random): Json {
  const at = random.below(value.length + 1);
  const char = random.pick(["\0", "\n", ",", '"', "<image>", "🫁", "\u202e", "\ud800", "x", ".", "/", " ", "#7"]);
  return random.pick<Json>([
    ...[value.slice(0, at) + char + value.slice(at), value.slice(0, at), value.slice(at), value.toUpperCase()],
    ...[value.repeat(random.pick([2, 50, 2000])), ` ${value} `, [value], Number.parseFloat(value) || 7, `${value}.`],
  ]);
}

function otherList(value: Json[], random: Random): Json {
  const copy = [...value];
  const at = random.below(copy.length + 1);
  switch (random.below(5)) {
    case 0:
      copy.splice(at, 1);
      return copy;
    case 1:
      copy.splice(at, 0, copy.length > 0 ? structuredClone(stripped(random.pick(copy))) : 1);
      return copy;
    case 2:
      return copy.reverse();
    case 3:
      return copy.length > 0 ? Array.from({ length: random.pick([2, 300, 3000]) }, () => copy[0]) : [[]];
    default:
      return { ...copy } as unknown as Json;
  }
}

function otherObject(value: { [key: string]: Json }, random: Random): Json {
  const entries = Object.entries(value);
  const at = random.below(entries.length);
  switch (random.below(5)) {
    case 0:
      return Object.fromEntries(entries.filter((_, i) => i !== at));
    case 1:
      return { ...value, [random.pick(KEYS)]: anyValue(random) };
    case 2:
      // The same key twice.
      return entries.length > 0
        ? new Raw(`{${entries.map(pairText).join()},${pairText([entries[at][0], anyValue(random)])}}`)
        : {};
    case 3:
      return new Raw(
        `{${entries.map(pairText).join()}${entries.length > 0 ? "," : ""}"__proto__":${written(anyValue(random))}}`,
      );
    default:
      return Object.values(value);
  }
}

const KEYS = [
  "constructor",
  "toString",
  "length",
  "",
  "a",
  "__proto__x",
  "0",
  "k".repeat(3000),
  "\n",
  "é",
  "hasOwnProperty",
];

/** Gives the value another key: a new one, or that of another value. */
function shuffleKeys(container: Container, key: string, random: Random): void {
  if (Array.isArray(container)) return;
  const value = container[key];
  delete container[key];
  const keys = Object.keys(container);
  const others = keys.length > 0 ? [random.pick(keys)] : [];
  container[random.pick([...others, key.toUpperCase(), `${key}s`, `${key}_`, key.slice(1), random.pick(KEYS)])] = value;
}

const isContainer = (value: Json): value is Container =>
  typeof value === "object" && value !== null && !(value instanceof Raw);

/** Clones know no classes. */
const stripped = (value: Json): Json =>
  value instanceof Raw ? value.text : isContainer(value) ? safeCopy(value) : value;
const safeCopy = (value: Json): Json => {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return value.slice(0, 50).map(safeCopy);
  if (!isContainer(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 50)
      .map(([key, v]) => [key, safeCopy(v)]),
  );
};

const valueAt = ([container, key]: Place): Json => (container as { [key: string]: Json })[key];
const set = ([container, key]: Place, value: Json): void => {
  (container as { [key: string]: Json })[key] = value;
};

/** Every value below a root, up to some thousand. */
function placesIn(root: Container): Place[] {
  const places: Place[] = [];
  const open: Container[] = [root];
  for (let container = open.pop(); container && places.length < 5000; container = open.pop())
    for (const key of Object.keys(container)) {
      places.push([container, key]);
      const value = valueAt([container, key]);
      if (isContainer(value)) open.push(value);
    }
  return places;
}

const nested = (value: Json, depth: number): Json =>
  new Raw(`${"[".repeat(depth)}${written(value)}${"]".repeat(depth)}`);
const pairText = ([key, value]: [string, Json]): string => `${JSON.stringify(key)}:${written(value)}`;

/** As JSON.stringify, with raw text as it is. */
export function written(value: Json): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(written).join()}]`;
  if (isContainer(value)) return `{${Object.entries(value).map(pairText).join()}}`;
  return JSON.stringify(value) ?? "null";
}

/** Whether a text is JSON with an object, or with a list, at its top. */
export function isJson(bytes: Uint8Array, top: "object" | "list" | "any" = "any"): boolean {
  try {
    const value: unknown = JSON.parse(text(bytes).replace(/^\ufeff/, ""));
    if (top === "any") return true;
    return typeof value === "object" && value !== null && Array.isArray(value) === (top === "list");
  } catch {
    return false;
  }
}
