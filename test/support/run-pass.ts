import type { Binding, Memory } from "../../bindings/device.js";
import { BYTES } from "../../bindings/device.js";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../bindings/half.js";
import { rounded } from "../../engine/check/fill.js";
import type { AnyPass, DType, FloatDType, NumberArray } from "../../kernels/contract.js";
import { expectClose } from "./compare.js";
import { repeats, useSeed } from "./simulated.js";

type Arrays = Readonly<Record<string, NumberArray | null>>;
type Numbers = Readonly<Record<string, number>>;

/** `checkOnce`; GPUs do it again, and must get the same bits. */
export async function checkPass(binding: Binding, ...rest: Rest): Promise<void> {
  let first: readonly Buffer[] | null = null;
  for (const seed of repeats(binding)) {
    useSeed(seed);
    const outputs = await checkOnce(binding, ...rest);
    const [pass] = rest;
    if (first && outputs.some((bytes, i) => !bytes.equals((first as readonly Buffer[])[i])))
      throw new Error(`${pass.label}: bits differ between two runs`);
    first ??= outputs;
  }
}

type Rest = Parameters<typeof checkOnce> extends [Binding, ...infer R] ? R : never;

/**
 * Runs one pass on a device and in its reference, with no engine between, and compares every buffer that the pass writes.
 * `arrays` holds the inputs and, for outputs, arrays of the right length; one array given twice is one memory. `dtype` is
 * the value type: the reference starts from inputs rounded to it. Returns the bytes of what it wrote.
 */
async function checkOnce(
  binding: Binding,
  pass: AnyPass,
  arrays: Arrays,
  params: Numbers,
  tolerance: number,
  dtype: FloatDType = "f32",
): Promise<readonly Buffer[]> {
  const storedAs = (name: string): DType => (pass.buffers[name].dtype === "value" ? dtype : pass.buffers[name].dtype);
  const known = new Map<NumberArray, Memory>();
  const memories = pass.bufferNames.map((name) => {
    const values = arrays[name];
    if (!values) return null;
    const shared = known.get(values);
    if (shared) return shared;
    const type = storedAs(name);
    const memory = binding.allocate(values.length, type);
    known.set(values, memory);
    // Outputs stay as allocated: a debug device has filled them with NaN.
    if (pass.buffers[name].use !== "out" && values.length > 0) binding.write(memory, ENCODE[type](values), type);
    return memory;
  });
  binding.launch(pass, dtype, memories, params);

  // Rounded as they are stored; one array given twice is one array here, too.
  const stored = new Map<NumberArray, Float64Array>();
  for (const name of pass.bufferNames) {
    const values = arrays[name];
    if (values && !stored.has(values)) stored.set(values, rounded(Float64Array.from(values), storedAs(name)));
  }
  const expected = Object.fromEntries(
    pass.bufferNames.map((name) => [name, arrays[name] ? (stored.get(arrays[name]) as Float64Array) : null]),
  );
  pass.reference(expected, params);
  const outputs: Buffer[] = [];
  for (const [i, name] of pass.bufferNames.entries()) {
    const memory = memories[i];
    const values = expected[name];
    if (!memory || !values) continue;
    if (pass.buffers[name].use !== "in") {
      const type = storedAs(name);
      const bytes = await binding.read(memory, values.length * BYTES[type], type);
      outputs.push(Buffer.from(bytes));
      expectClose(`${pass.label} ${name}`, DECODE[type](bytes), values, tolerance);
    }
    const damage = await binding.checkGuards?.(memory);
    if (damage) throw new Error(`${pass.label} ${name}: ${damage}`);
  }
  for (const memory of known.values()) binding.release(memory);
  return outputs;
}

const ENCODE: Readonly<Record<DType, (values: NumberArray) => ArrayBufferView>> = {
  f32: (values) => Float32Array.from(values),
  bf16: (values) => encodeBf16(Float32Array.from(values)),
  f16: (values) => encodeF16(Float32Array.from(values)),
  i32: (values) => Int32Array.from(values),
  u32: (values) => Uint32Array.from(values),
};

const DECODE: Readonly<Record<DType, (bytes: ArrayBuffer) => ArrayLike<number>>> = {
  f32: (bytes) => new Float32Array(bytes),
  bf16: (bytes) => decodeBf16(new Uint16Array(bytes)),
  f16: (bytes) => decodeF16(new Uint16Array(bytes)),
  i32: (bytes) => new Int32Array(bytes),
  u32: (bytes) => new Uint32Array(bytes),
};
