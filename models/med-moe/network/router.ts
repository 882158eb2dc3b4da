import { platform } from "#platform";
import {
  add,
  type Device,
  io,
  mean,
  nn,
  noGrad,
  reshape,
  type Shape,
  scale,
  scope,
  type Tensor,
} from "../../../engine/index.js";
import type { MedMoeNetwork } from "./network.js";
import type { Sample } from "./splice.js";

/**
 * The classifier that becomes the router of every mixture: one linear layer on a pooled feature of a text and its images. It is
 * trained on that feature, and used on each token's state: so it is published.
 */
export class DomainRouter extends nn.Module {
  /** [experts, width] with a bias, by its name in the published file. */
  fc1: nn.Linear;

  constructor(init: nn.Initializer, width: number, experts: number) {
    super();
    this.fc1 = new nn.Linear(init, width, experts);
  }

  /** Features [B, width] to logits [B, experts]. */
  forward(features: Tensor): Tensor {
    return this.fc1.forward(features);
  }
}

/**
 * What the router is trained on: f32 [1, width], the mean over the tokens of the mean over embeddings and layers' outputs, of
 * which the last is taken behind the final norm. One sample at a time: padding would count.
 */
export function pooledFeature(network: MedMoeNetwork, sample: Sample, pixels: Tensor | null): Tensor {
  return noGrad(() =>
    scope(() => {
      const { embeds } = network.splice([sample], pixels);
      const { states, hidden } = network.states(embeds, { hidden: true });
      const all = [...hidden.slice(0, -1), states];
      const sum = all.reduce((a, b) => add(a, b));
      return reshape(scale(mean(sum, { dim: 1 }), 1 / all.length), [1, embeds.shape[2]]);
    }),
  );
}

/** A router file as PyTorch has it: `fc1.weight` [E, width] and `fc1.bias` [E], f32. */
export async function saveRouter(path: string, { fc1 }: DomainRouter): Promise<void> {
  const tensors = [...fc1.namedParameters("fc1")].map(async ([name, p]) =>
    io.writable(name, p.shape, (await p.data()) as Float32Array, "F32"),
  );
  await io.writePytorch(path, await Promise.all(tensors));
}

/** Opens a router file; a folder stands for the router.pth in it, as stage router leaves it. */
export async function openRouter(path: string): Promise<io.CheckpointReader> {
  const inside = `${path}/router.pth`;
  return io.openCheckpoint((await platform.exists(inside)) ? inside : path);
}

/**
 * Reads a router: fc1.weight and fc1.bias, in PyTorch's format or safetensors, or the folder with router.pth. Rejects with
 * FileFormatError where it is something else.
 */
export async function loadRouter(path: string, device: Device): Promise<DomainRouter> {
  await using reader = await openRouter(path);
  const [experts, width] = routerShape(reader, path);
  const router = new DomainRouter(new nn.Initializer(device, 0), width, experts);
  router.fc1.weight.write(await io.readFloat32(reader.get("fc1.weight")));
  (router.fc1.bias as Tensor).write(await io.readFloat32(reader.get("fc1.bias")));
  return router;
}

/** [experts, width] of a router file. Throws FileFormatError where it is something else. */
export function routerShape(reader: io.CheckpointReader, path: string): Shape {
  const shape = reader.has("fc1.weight") ? reader.get("fc1.weight").shape : [];
  const bias = reader.has("fc1.bias") ? reader.get("fc1.bias").shape : [];
  if (shape.length === 2 && `${bias}` === `${shape[0]}`) return shape;
  throw new io.FileFormatError(
    path,
    `it is no router: it needs fc1.weight [experts, width] and fc1.bias [experts], and has ${reader.names.slice(0, 4).join(", ") || "no tensor"}`,
    "Give the router.pth that stage router wrote",
  );
}
