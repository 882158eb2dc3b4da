/** What opcodes of a pickle work on: its bytes, a stack, memoized values, and what is left of the bounds. */
import { DAMAGED, FileFormatError } from "./errors.js";
import { PickleFunction, type PickleHost, PickleTruncated } from "./pickle-host.js";
import { Internal } from "./pickle-tree.js";

const MAX_INTEGER_BYTES = 1024;
/** Heap that the values of a pickle may take beside the size of their file. A checkpoint has about a kilobyte a tensor. */
const SPARE_HEAP = 2 ** 25;
/** What the engine takes for an opcode's place on the stack or in a list, for a memo, and for an empty dict or list. */
const HEAP = { opcode: 16, memo: 40, map: 200, list: 64 } as const;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Machine {
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

  /** Of the place that an opcode's value takes. */
  takeOpcode(): void {
    this.takeHeap(HEAP.opcode);
  }

  private takeHeap(bytes: number): void {
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
