/** A writer of protocol-2 pickles, down to single opcodes, so that tests can also write what Python never would. */
import { concat } from "./collect.js";

export const global = (module: string, name: string) => new Global(module, name);
export const tuple = (...items: Picklable[]) => new Tuple(items);
export const reduce = (callee: Picklable, ...args: Picklable[]) => new Reduce(callee, args);
export const persistent = (id: Picklable) => new Persistent(id);

class Global {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}
class Tuple {
  readonly items: Picklable[];
  constructor(items: Picklable[]) {
    this.items = items;
  }
}
class Reduce {
  readonly callee: Picklable;
  readonly args: Picklable[];
  constructor(callee: Picklable, args: Picklable[]) {
    this.callee = callee;
    this.args = args;
  }
}
class Persistent {
  readonly id: Picklable;
  constructor(id: Picklable) {
    this.id = id;
  }
}

export type Picklable =
  | null
  | boolean
  | number
  | string
  | bigint
  | readonly Picklable[]
  | ReadonlyMap<Picklable, Picklable>
  | Global
  | Tuple
  | Reduce
  | Persistent;

export function pickle(value: Picklable): Uint8Array<ArrayBuffer> {
  const parts: ArrayLike<number>[] = [[0x80, 2]];
  write(value, parts, new Map());
  parts.push([0x2e]);
  return concat(parts);
}

export const u32 = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Objects met again are recalled from the memo, as Python does. */
function write(value: Picklable, parts: ArrayLike<number>[], memo: Map<object, number>): void {
  if (typeof value === "object" && value !== null) {
    const known = memo.get(value);
    if (known !== undefined) return void parts.push([0x6a, ...u32(known)]);
    writeObject(value, parts, memo);
    memo.set(value, memo.size);
    return void parts.push([0x72, ...u32(memo.size - 1)]);
  }
  if (value === null) parts.push([0x4e]);
  else if (typeof value === "boolean") parts.push([value ? 0x88 : 0x89]);
  else if (typeof value === "string") parts.push([0x58, ...u32(utf8(value).length)], utf8(value));
  else if (typeof value === "bigint" || (Number.isInteger(value) && !Object.is(value, -0)))
    parts.push(long(BigInt(value)));
  else {
    const bytes = new Uint8Array(9);
    bytes[0] = 0x47;
    new DataView(bytes.buffer).setFloat64(1, value, false);
    parts.push(bytes);
  }
}

function writeObject(value: object, parts: ArrayLike<number>[], memo: Map<object, number>): void {
  if (value instanceof Global) parts.push(utf8(`c${value.module}\n${value.name}\n`));
  else if (value instanceof Persistent) {
    write(value.id, parts, memo);
    parts.push([0x51]);
  } else if (value instanceof Reduce) {
    write(value.callee, parts, memo);
    write(tuple(...value.args), parts, memo);
    parts.push([0x52]);
  } else if (value instanceof Map) {
    parts.push([0x7d, 0x28]);
    for (const pair of value) for (const item of pair) write(item, parts, memo);
    parts.push([0x75]);
  } else {
    const isTuple = value instanceof Tuple;
    parts.push(isTuple ? [0x28] : [0x5d, 0x28]);
    for (const item of isTuple ? value.items : (value as Picklable[])) write(item, parts, memo);
    parts.push([isTuple ? 0x74 : 0x65]);
  }
}

/** LONG1: two's complement, least significant byte first. */
function long(value: bigint): number[] {
  let length = 0;
  while (BigInt.asIntN(8 * length, value) !== value) length++;
  const bytes = Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
  return [0x8a, length, ...bytes];
}
