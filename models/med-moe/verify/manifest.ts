import { z } from "zod";
import { io } from "../../../engine/index.js";

const k = z.union([z.literal(1), z.literal(2)]);

/** A case of the gate alone, or of a whole layer. */
const routing = z.looseObject({
  name: z.string(),
  k,
  capacity_factor: z.number(),
  drop_tokens: z.boolean(),
  capacity: z.int(),
  d_l_aux: z.number(),
});

const gating = routing.extend({ tokens: z.int(), experts: z.int() });
const layer = routing.extend({ expert: z.enum(["swiglu", "gelu"]), meta: z.boolean(), residual: z.boolean() });

const schema = z.looseObject({
  tolerance: z.looseObject({ forward: z.number(), gradient: z.number() }),
  optimizer: z.looseObject({
    lr: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
    weight_decay_top1: z.number(),
    weight_decay_top2: z.number(),
    steps: z.int().positive(),
  }),
  aux_coef: z.looseObject({ top1: z.number(), top2: z.number() }),
  models: z.record(
    z.string(),
    z.looseObject({
      parameters: z.int(),
      loss_top1: z.array(z.number()),
      loss_top2: z.array(z.number()),
      top2_values_found_only_in_top1_file: z.array(z.string()),
    }),
  ),
  gating: z.array(gating),
  moe_layer: z.array(layer),
  files: z.array(z.looseObject({ path: z.string(), bytes: z.int(), sha256: z.string() })),
});

export type Manifest = z.infer<typeof schema>;
export type GatingCase = z.infer<typeof gating>;
export type LayerCase = z.infer<typeof layer>;

const NEEDED =
  "Golden tensors of Med-MoE are a folder with manifest.json, gating, layer and model files that it names: check the path";

export async function readManifest(folder: string): Promise<Manifest> {
  const path = `${folder}/manifest.json`;
  return io.parseWith(schema, io.parseJson(await io.readText(path, NEEDED), path), path);
}
