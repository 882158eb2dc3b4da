import type { InputSpec, OpCase } from "../../../kernels/case-table.js";
import type { FloatDType } from "../../../kernels/contract.js";

/** Memory that knows which of its elements were read and written. */
export class Counted {
  readonly values: Float64Array;
  readonly shape: readonly number[];
  readonly #width: number;
  readonly #read = new Set<number>();
  readonly #written = new Set<number>();

  constructor(values: Float64Array, shape: readonly number[], width: number) {
    this.values = values;
    this.shape = shape;
    this.#width = width;
  }

  get(i: number): number {
    if (!(i >= 0 && i < this.values.length)) throw new RangeError(`element ${i} of ${this.values.length}`);
    this.#read.add(i);
    return this.values[i];
  }

  set(i: number, value: number): void {
    if (!(i >= 0 && i < this.values.length)) throw new RangeError(`element ${i} of ${this.values.length}`);
    this.#written.add(i);
    this.values[i] = value;
  }

  /** Reads all of it. */
  touch(): this {
    for (let i = 0; i < this.values.length; i++) this.get(i);
    return this;
  }

  /** Writes all of it. */
  fill(from: ArrayLike<number> | number): this {
    for (let i = 0; i < this.values.length; i++) this.set(i, typeof from === "number" ? from : from[i]);
    return this;
  }

  get bytes(): number {
    return this.#width * (this.#read.size + this.#written.size);
  }
}

const WIDTHS: Readonly<Record<string, number>> = { f32: 4, bf16: 2, f16: 2, i32: 4, u32: 4 };

/** Counts what an implementation computes, and the distinct bytes that it reads and writes. */
export class Tally {
  flops = 0;
  readonly c: OpCase;
  readonly dtype: FloatDType;
  readonly #arrays: Counted[] = [];

  constructor(c: OpCase, dtype: FloatDType) {
    this.c = c;
    this.dtype = dtype;
  }

  get bytes(): number {
    return this.#arrays.reduce((sum, array) => sum + array.bytes, 0);
  }

  // biome-ignore lint/suspicious/noExplicitAny: each op knows its options.
  get options(): Readonly<Record<string, any>> {
    return this.c.options ?? {};
  }

  has(name: string): boolean {
    return this.c.inputs[name] !== undefined;
  }

  /** An input of the case. Drawn integers are different ones, in turn. */
  input(name: string): Counted {
    const spec = this.c.inputs[name] as InputSpec | undefined;
    if (!spec) throw new Error(`no input ${name}`);
    if (!("shape" in spec)) return this.#add(spec, this.dtype, (i) => Math.sin(i));
    const dtype = ("dtype" in spec && spec.dtype) || this.dtype;
    if ("values" in spec) {
      // May be made anew at each access.
      const { values } = spec;
      return this.#add(spec.shape, dtype, (i) => values[i]);
    }
    if ("low" in spec) return this.#add(spec.shape, dtype, (i) => spec.low + (i % (spec.high - spec.low)));
    return this.#add(spec.shape, dtype, (i) => Math.sin(i));
  }

  /** A result, or the gradient of one or to one. */
  array(shape: readonly number[], dtype: string = this.dtype): Counted {
    return this.#add(shape, dtype, (i) => Math.cos(i));
  }

  #add(shape: readonly number[], dtype: string, value: (i: number) => number): Counted {
    const values = Float64Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => value(i));
    const array = new Counted(values, shape, WIDTHS[dtype]);
    this.#arrays.push(array);
    return array;
  }

  add = (a: number, b: number) => this.#one(a + b);
  sub = (a: number, b: number) => this.#one(a - b);
  mul = (a: number, b: number) => this.#one(a * b);
  div = (a: number, b: number) => this.#one(a / b);
  max = (a: number, b: number) => this.#one(Math.max(a, b));
  /** A function of one number. */
  call = (f: (x: number) => number, x: number) => this.#one(f(x));
  mulAdd = (a: number, b: number, sum: number) => this.add(this.mul(a, b), sum);

  #one(value: number): number {
    this.flops++;
    return value;
  }
}

export type Counting = (t: Tally) => void;

/** What computes an op, either way. */
export interface Counter {
  readonly forward: Counting;
  readonly backward: Counting;
}
