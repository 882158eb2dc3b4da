/**
 * A restricted unpickler: the binary opcodes of pickle protocols 2 to 5 (cpython/Lib/pickletools.py) as a loop over one
 * stack. It runs nothing: the host says what a global stands for, and refuses what it does not know.
 *
 * Bounds, for hostile files: each opcode does work in proportion to the bytes it stands for, so time is linear in the
 * input; what its values take of the heap is counted, for a byte of pickle may become hundreds; what a host function copies
 * from memoized values is charged to a budget of the input's size.
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import { checkTree, Internal } from "./pickle-tree.js";

const MAX_INTEGER_BYTES = 1024;
/** Heap that the values of a pickle may take beside the size of their file. A checkpoint has about a kilobyte a tensor. */
const SPARE_HEAP = 2 ** 25;
/** What the engine takes for an opcode's place on the stack or in a list, for a memo, and for an empty dict or list. */
const HEAP = { opcode: 16, memo: 40, map: 200, list: 64 } as const;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a global stands for when the pickle calls it. */
export class PickleFunction extends Internal {
  readonly description: string;
  readonly call: (args: unknown[], charge: (items: number) => void) => unknown;

  constructor(name: string, call: PickleFunction["call"]) {
    super();
    this.description = name;
    this.call = call;
  }
}

export interface PickleHost {
  readonly file: string;
  /** Of the whole file, which the pickle may be a part of. */
  readonly fileBytes: number;
  /** The meaning of `module.name`; throws FileFormatError for what is not allowed. */
  global(module: string, name: string): unknown;
  /** The meaning of a persistent id. */
  persistent(id: unknown): unknown;
}

/** The bytes end before the pickle does: more of the file may help. */
export class PickleTruncated extends FileFormatError {}

/** Reads one pickle. Dicts become Maps; tuples, lists and sets arrays; integers beyond 2^53 bigints. */
export function unpickle(bytes: Uint8Array, start: number, host: PickleHost): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, host);
  for (;;) {
    const at = machine.at;
    const opcode = machine.byte();
    if (opcode === STOP) break;
    const run = OPCODES.get(opcode);
    if (!run) {
      const advice = "Save it again with torch.save and its default pickle protocol";
      throw new FileFormatError(
        host.file,
        `pickle opcode 0x${opcode.toString(16)} at byte ${at} is not supported`,
        advice,
      );
    }
    machine.takeHeap(HEAP.opcode);
    run(machine);
  }
  const value = machine.pop();
  checkTree(value, host.file);
  return { value, end: machine.at };
}

class Machine {
  at: number;
  readonly host: PickleHost;
  readonly memo = new Map<number, unknown>();
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly stack: unknown[] = [];
  /** Heights of the stack at each open MARK. */
  private readonly marks: number[] = [];
  private budget: number;
  private heap: number;

  constructor(bytes: Uint8Array, start: number, host: PickleHost) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.host = host;
    this.budget = bytes.length;
    this.heap = SPARE_HEAP + host.fileBytes;
  }

  fail(what: string): never {
    throw new FileFormatError(this.host.file, `${what} (pickle, before byte ${this.at})`, DAMAGED);
  }

  /** Skips `length` bytes and gives the position they start at. */
  private advance(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) {
      throw new PickleTruncated(this.host.file, `the pickle ends early: ${length} bytes wanted at byte ${at}`, DAMAGED);
    }
    this.at = at + length;
    return at;
  }

  byte = () => this.view.getUint8(this.advance(1));
  u16 = () => this.view.getUint16(this.advance(2), true);
  i32 = () => this.view.getInt32(this.advance(4), true);
  u32 = () => this.view.getUint32(this.advance(4), true);
  f64 = () => this.view.getFloat64(this.advance(8), false);

  u64(): number {
    const value = this.view.getBigUint64(this.advance(8), true);
    return Number(value);
  }

  take(length: number): Uint8Array {
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  blob(length: number): Uint8Array {
    return new Uint8Array(this.take(length));
  }

  text(length: number): string {
    const bytes = this.take(length);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail("a string is not UTF-8");
    }
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    const length = (end === -1 ? this.bytes.length : end) - this.at;
    const text = this.text(length);
    this.advance(1);
    return text;
  }

  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) this.fail(`an integer of ${length} bytes`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    if (length > 0 && bytes[length - 1] & 0x80) value -= 1n << BigInt(8 * length);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  push(value: unknown): void {
    this.takeHeap(heapOf(value));
    this.stack.push(value);
  }

  takeHeap(bytes: number): void {
    this.heap -= bytes;
    if (this.heap < 0) this.fail(`values that take more than ${SPARE_HEAP + this.host.fileBytes} bytes`);
  }

  memoize(index: number): void {
    this.takeHeap(HEAP.memo);
    this.memo.set(index, this.top());
  }

  pop(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail("the pickle takes a value that is not there");
    return this.stack.pop();
  }

  top(): unknown {
    const value = this.pop();
    this.stack.push(value);
    return value;
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  /** The values since the last MARK, which is closed. */
  popMark(): unknown[] {
    const height = this.marks.pop();
    if (height === undefined) this.fail("the pickle closes a mark that is not open");
    return this.stack.splice(height);
  }

  /** POP removes the mark itself when it is on top. */
  discard(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  popTuple(count: number): unknown[] {
    const items = new Array<unknown>(count);
    for (let i = count - 1; i >= 0; i--) items[i] = this.pop();
    return items;
  }

  recall(index: number): void {
    if (!this.memo.has(index)) this.fail(`the pickle recalls value ${index}, which it never stored`);
    this.stack.push(this.memo.get(index));
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.fail("the pickle appends to something that is no list");
    for (const item of items) list.push(item);
  }

  setItems(items: readonly unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || items.length % 2 !== 0)
      this.fail("the pickle sets items of something that is no dict");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof PickleFunction) || !Array.isArray(args))
      this.fail("the pickle calls something that is no function");
    this.push(callee.call(args, (items) => this.charge(items)));
  }

  private charge(items: number): void {
    this.budget -= items;
    if (this.budget < 0) this.fail("the pickle copies the same values over and over");
  }

  /** State of an OrderedDict (`_metadata` of a state dict) or a tensor (Python attributes): nothing a checkpoint needs. */
  build(): void {
    this.pop();
    const target = this.top();
    const known =
      typeof target === "object" && target !== null && !Array.isArray(target) && !(target instanceof Internal);
    if (!known) this.fail("the pickle sets the state of something that has none");
  }

  stackGlobal(): void {
    const name = this.pop();
    const module = this.pop();
    if (typeof name !== "string" || typeof module !== "string")
      this.fail("the pickle names a global by something else than text");
    this.push(this.host.global(module, name));
  }
}

/** Bytes of the heap, beside the values inside. */
function heapOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  if (value instanceof Uint8Array) return HEAP.list + value.length;
  return value instanceof Map ? HEAP.map : HEAP.list;
}

function toMap(machine: Machine, items: unknown[]): void {
  machine.push(new Map());
  machine.setItems(items);
}

const STOP = 0x2e;

type Operation = (m: Machine) => void;

/** By opcode; the names are those of pickletools. Text opcodes of protocol 0 are left out: torch never wrote them. */
const OPCODES: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [0x80, (m) => void m.byte()], // PROTO
  [0x95, (m) => void m.u64()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.discard()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.i32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.u16())], // BININT2
  [0x8a, (m) => m.push(m.integer(m.byte()))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.u32()))], // LONG4
  [0x47, (m) => m.push(m.f64())], // BINFLOAT

  [0x54, (m) => m.push(m.text(m.u32()))], // BINSTRING
  [0x55, (m) => m.push(m.text(m.byte()))], // SHORT_BINSTRING
  [0x58, (m) => m.push(m.text(m.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.u64()))], // BINUNICODE8
  [0x42, (m) => m.push(m.blob(m.u32()))], // BINBYTES
  [0x43, (m) => m.push(m.blob(m.byte()))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.blob(m.u64()))], // BINBYTES8
  [0x96, (m) => m.push(m.blob(m.u64()))], // BYTEARRAY8

  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x8f, (m) => m.push([])], // EMPTY_SET
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x6c, (m) => m.push(m.popMark())], // LIST
  [0x74, (m) => m.push(m.popMark())], // TUPLE
  [0x91, (m) => m.push(m.popMark())], // FROZENSET
  [0x64, (m) => toMap(m, m.popMark())], // DICT
  [0x85, (m) => m.push(m.popTuple(1))], // TUPLE1
  [0x86, (m) => m.push(m.popTuple(2))], // TUPLE2
  [0x87, (m) => m.push(m.popTuple(3))], // TUPLE3
  [0x61, (m) => m.append(m.popTuple(1))], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x90, (m) => m.append(m.popMark())], // ADDITEMS
  [0x73, (m) => m.setItems(m.popTuple(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS

  [0x71, (m) => m.memoize(m.byte())], // BINPUT
  [0x72, (m) => m.memoize(m.u32())], // LONG_BINPUT
  [0x94, (m) => m.memoize(m.memo.size)], // MEMOIZE
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.u32())], // LONG_BINGET

  [0x63, (m) => m.push(m.host.global(m.line(), m.line()))], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x81, (m) => m.call()], // NEWOBJ
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.push(m.host.persistent(m.pop()))], // BINPERSID
]);
