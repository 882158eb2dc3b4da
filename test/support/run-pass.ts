import type { Binding, Memory } from "../../bindings/device.js";
import { BYTES } from "../../bindings/device.js";
import type { AnyPass, DType, NumberArray } from "../../kernels/contract.js";
import { expectClose } from "./compare.js";

type Arrays = Readonly<Record<string, NumberArray | null>>;
type Numbers = Readonly<Record<string, number>>;

/**
 * Runs one f32 pass on a device and in its reference, with no engine between, and compares every buffer that the pass
 * writes. `arrays` holds the inputs and, for outputs, arrays of the right length; one array given twice is one memory.
 */
export async function checkPass(
  binding: Binding,
  pass: AnyPass,
  arrays: Arrays,
  params: Numbers,
  tolerance: number,
): Promise<void> {
  const known = new Map<NumberArray, Memory>();
  const memories = pass.bufferNames.map((name) => {
    const values = arrays[name];
    if (!values) return null;
    const shared = known.get(values);
    if (shared) return shared;
    const dtype = storedAs(pass, name);
    const memory = binding.allocate(values.length, dtype);
    known.set(values, memory);
    // Outputs stay as allocated: a debug device has filled them with NaN.
    if (pass.buffers[name].use !== "out" && values.length > 0) binding.write(memory, toStorage(values, dtype), dtype);
    return memory;
  });
  binding.launch(pass, "f32", memories, params);

  const expected = Object.fromEntries(pass.bufferNames.map((name) => [name, toFloat64(arrays[name])]));
  pass.reference(expected, params);
  for (const [i, name] of pass.bufferNames.entries()) {
    const memory = memories[i];
    const values = expected[name];
    if (!memory || !values) continue;
    if (pass.buffers[name].use !== "in") {
      const got = new Float32Array(await binding.read(memory, values.length * BYTES.f32, "f32"));
      expectClose(`${pass.label} ${name}`, got, values, tolerance);
    }
    const damage = await binding.checkGuards?.(memory);
    if (damage) throw new Error(`${pass.label} ${name}: ${damage}`);
  }
  for (const memory of known.values()) binding.release(memory);
}

function storedAs(pass: AnyPass, name: string): DType {
  const { dtype } = pass.buffers[name];
  return dtype === "value" ? "f32" : dtype;
}

function toStorage(values: NumberArray, dtype: DType): ArrayBufferView {
  if (dtype === "i32") return Int32Array.from(values);
  if (dtype === "u32") return Uint32Array.from(values);
  return Float32Array.from(values);
}

const toFloat64 = (values: NumberArray | null | undefined) => (values ? Float64Array.from(values) : null);
