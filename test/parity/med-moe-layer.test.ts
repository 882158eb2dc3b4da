import { afterAll, describe, expect, test } from "vitest";
import {
  add,
  balanceLoss,
  type Device,
  gradients,
  mul,
  nn,
  scale,
  scope,
  silu,
  sum,
  type Tensor,
} from "../../engine/index.js";
import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { ResidualMixture } from "../../models/med-moe/network/mixture.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { type LayerCase, manifest, readFixture } from "../support/med-moe.js";

/** Whole layers of Med-MoE, with its meta expert and DeepSpeed's residual form: forward, and every gradient. */
const fixture = await readFixture("moe_layer.safetensors");
const devices = {
  reference: await tryOpen("reference"),
  cpu: await tryOpen("cpu", { threads: 2 }),
  webgpu: await tryOpen("webgpu"),
  cuda: await tryOpen("cuda"),
};
afterAll(() => {
  for (const { device } of Object.values(devices)) device?.close();
});

const [WIDTH, HIDDEN, EXPERTS] = [16, 24, 4];
const FORWARD = 2e-5;
const GRADIENT = 1e-4;

/** StableLM's MLP, by the names of the file. */
class SwiGlu extends nn.Module {
  readonly gate_proj: nn.Linear;
  readonly up_proj: nn.Linear;
  readonly down_proj: nn.Linear;

  constructor(init: nn.Initializer) {
    super();
    this.gate_proj = new nn.Linear(init, WIDTH, HIDDEN, { bias: false });
    this.up_proj = new nn.Linear(init, WIDTH, HIDDEN, { bias: false });
    this.down_proj = new nn.Linear(init, HIDDEN, WIDTH, { bias: false });
  }

  forward(x: Tensor): Tensor {
    return this.down_proj.forward(mul(silu(this.gate_proj.forward(x)), this.up_proj.forward(x)));
  }
}

/** Phi's. */
class Gelu extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;

  constructor(init: nn.Initializer) {
    super();
    this.fc1 = new nn.Linear(init, WIDTH, HIDDEN);
    this.fc2 = new nn.Linear(init, HIDDEN, WIDTH);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x, "geluTanh"));
  }
}

class Layer extends nn.Module {
  readonly moe: nn.MixtureOfExperts;

  constructor(init: nn.Initializer, { expert, k, capacity_factor: factor, drop_tokens, meta, residual }: LayerCase) {
    super();
    const sizes = { width: WIDTH, hidden: HIDDEN, experts: EXPERTS };
    const { deepSpeedTop1, deepSpeedTop2 } = nn.moePresets;
    const gate = { ...sizes, factor, evalFactor: factor, minimum: 0 };
    const options = k === 1 ? deepSpeedTop1({ ...gate, drop: drop_tokens }) : deepSpeedTop2(gate);
    const Mixture = residual ? ResidualMixture : nn.MixtureOfExperts;
    this.moe = new Mixture(init, {
      ...options,
      activation: expert === "swiglu" ? "swiglu" : "geluTanh",
      bias: expert === "gelu",
      router: { ...options.router, bias: true },
      shared: meta ? (expert === "swiglu" ? new SwiGlu(init) : new Gelu(init)) : null,
    });
  }

  forward(x: Tensor, noise: Tensor | null): nn.MoeOutput {
    return this.moe.forward(x, { noise });
  }
}

/** Tensors of the file that hold the parameter, one behind the other. */
function storedNames(path: string, expert: LayerCase["expert"]): string[] {
  const swiglu = expert === "swiglu";
  const stacks: Readonly<Record<string, readonly string[]>> = {
    "moe.experts.up": swiglu ? ["gate_proj.weight", "up_proj.weight"] : ["fc1.weight"],
    "moe.experts.upBias": ["fc1.bias"],
    "moe.experts.down": [swiglu ? "down_proj.weight" : "fc2.weight"],
    "moe.experts.downBias": ["fc2.bias"],
  };
  const parts = stacks[path];
  if (!parts)
    return [
      path
        .replace("moe.wg.", "deepspeed_moe.gate.wg.")
        .replace("moe.shared.", "meta_moe.")
        .replace("moe.coefficient.", "coefficient."),
    ];
  return Array.from({ length: EXPERTS }, (_, e) =>
    parts.map((part) => `deepspeed_moe.experts.deepspeed_experts.${e}.${part}`),
  ).flat();
}

describe.each(Object.entries(devices))("mixture on %s", (_, { device }) => {
  test.skipIf(!device).each(manifest.moe_layer.map((c) => [c.name, c] as const))("%s", async (name, c) => {
    const on = device as Device;
    const of = (what: string) => fixture.get(`${name}.${what}`).values;
    using layer = new Layer(new nn.Initializer(on), c);
    const parameters = [...layer.namedParameters()];
    for (const [path, p] of parameters)
      p.write(
        storedNames(path, c.expert).flatMap((part) => Array.from(fixture.get(`${c.expert}.param.${part}`).values)),
      );

    const { y, experts, routed, found } = scope(() => {
      const x = fixture.tensor(`${name}.x`, on);
      x.requiresGrad = true;
      const noise = fixture.names.includes(`${name}.noise`) ? fixture.tensor(`${name}.noise`, on) : null;
      const out = layer.forward(x, noise);
      const loss = sum(mul(out.y, fixture.tensor(`${name}.d_out`, on)));
      const total = add(loss, scale(balanceLoss(out.routed), c.d_l_aux));
      return { ...out, found: gradients(total, [x, ...parameters.map(([, p]) => p)]) };
    });

    expectClose("out", await y.data(), of("out"), FORWARD);
    expectClose("routed", await experts.data(), of("routed"), FORWARD);
    const [dx, ...rest] = found;
    expectClose("d_x", await (dx as Tensor).data(), of("d_x"), GRADIENT);
    for (const [i, [path]] of parameters.entries()) {
      expect(rest[i], `gradient of ${path}: zeros where no token came, not none`).not.toBeNull();
      const gradient = await (rest[i] as Tensor).data();
      const parts = storedNames(path, c.expert);
      const size = gradient.length / parts.length;
      // The file holds those of the last expert; the forward of all goes into d_x.
      const held = parts.filter((part) => fixture.names.includes(`${name}.grad.${part}`));
      expect(held.length, `gradients of ${path} in the file`).toBeGreaterThan(0);
      for (const part of held) {
        const own = gradient.subarray(parts.indexOf(part) * size, (parts.indexOf(part) + 1) * size);
        expectClose(part, own, of(`grad.${part}`), GRADIENT);
      }
    }

    const statistics = (await layer.moe.statistics()) as nn.MoeStatistics;
    expect(statistics.counts).toEqual([...of("counts")]);
    expectClose("l_aux", [statistics.balanceLoss], of("l_aux"), FORWARD);
    const lists = await routed.lists.data();
    const T = statistics.tokens;
    const { experts: chosen, position } = listPlaces(EXPERTS, T * c.k);
    for (let k = 0; k < c.k; k++)
      for (let t = 0; t < T; t++) {
        const e = lists[chosen + t * c.k + k];
        const row = lists[position + t * c.k + k];
        expect(e).toBe(of(`expert${k + 1}`)[t]);
        expect(row < 0 ? -1 : row - lists[e]).toBe(of(`slot${k + 1}`)[t]);
      }
  });
});
