import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Device, io, type Tensor, tensor } from "../../engine/index.js";

/** The golden tensors of Med-MoE's gates and layers (ORIGIN.md beside them). */
const pathOf = (name: string) => fileURLToPath(new URL(`../fixtures/med-moe/${name}`, import.meta.url));

/** A gate without a layer. */
export interface GateCase {
  readonly name: string;
  readonly k: 1 | 2;
  readonly tokens: number;
  readonly experts: number;
  readonly capacity_factor: number;
  readonly min_capacity: number;
  readonly drop_tokens: boolean;
  readonly capacity: number;
  readonly noise: "gumbel" | "uniform" | null;
  readonly d_l_aux: number;
}

/** A whole layer. */
export interface LayerCase {
  readonly name: string;
  readonly expert: "swiglu" | "gelu";
  readonly k: 1 | 2;
  readonly capacity_factor: number;
  readonly drop_tokens: boolean;
  readonly meta: boolean;
  readonly residual: boolean;
  readonly d_l_aux: number;
}

export const manifest = JSON.parse(readFileSync(pathOf("manifest.json"), "utf8")) as {
  readonly gating: readonly GateCase[];
  readonly moe_layer: readonly LayerCase[];
};

/** A tensor of a file on the host: floats as f32, integers as i32. */
interface Host {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** A file in memory. */
export interface Fixture {
  readonly names: readonly string[];
  get(name: string): Host;
  /** On a device. */
  tensor(name: string, device: Device): Tensor;
}

export async function readFixture(name: string): Promise<Fixture> {
  await using reader = await io.openCheckpoint(pathOf(name));
  const tensors = new Map<string, Host>();
  for (const key of reader.names) {
    const stored = reader.get(key);
    const values = stored.dtype === "I32" ? await io.readInt32(stored) : await io.readFloat32(stored);
    tensors.set(key, { shape: stored.shape, values });
  }
  const get = (key: string): Host => {
    const found = tensors.get(key);
    if (!found) throw new Error(`${name} has no ${key}`);
    return found;
  };
  return {
    names: [...tensors.keys()],
    get,
    tensor: (key, device) => tensor(get(key).values, { device, shape: get(key).shape }),
  };
}
