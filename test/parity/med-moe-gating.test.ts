import { afterAll, describe, expect, test } from "vitest";
import { add, type Device, gradients, mul, scope, sum, tensor, topKRouting } from "../../engine/index.js";
import { capacityOf } from "../../engine/nn/mixture-of-experts.js";
import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { type GateCase, manifest, readFixture } from "../support/med-moe.js";

/** The gates of Med-MoE and DeepSpeed 0.9.5, in every way they choose and drop. */
const fixture = await readFixture("gating.safetensors");
const devices = {
  reference: await tryOpen("reference"),
  cpu: await tryOpen("cpu", { threads: 2 }),
  webgpu: await tryOpen("webgpu"),
  cuda: await tryOpen("cuda"),
};
afterAll(() => {
  for (const { device } of Object.values(devices)) device?.close();
});

function optionsOf({ k, tokens, experts, capacity_factor: factor, min_capacity: minimum, drop_tokens }: GateCase) {
  const drops = drop_tokens || k === 2;
  const capacity = drops ? capacityOf({ factor, minimum }, true, tokens, experts, k) : null;
  return k === 1
    ? ({ topK: 1, countFirst: true, priority: "random", capacity } as const)
    : ({
        topK: 2,
        countFirst: true,
        normalize: true,
        noise: "gumbelAfterFirst",
        priority: "choice",
        capacity,
      } as const);
}

describe.each(Object.entries(devices))("gating on %s", (_, { device }) => {
  test.skipIf(!device).each(manifest.gating.map((gate) => [gate.name, gate] as const))("%s", async (name, gate) => {
    const { tokens: T, experts: E, k: K } = gate;
    const of = (what: string) => fixture.get(`${name}.${what}`).values;
    const on = device as Device;
    const options = optionsOf(gate);
    if (options.capacity !== null) expect(options.capacity, "capacity").toBe(gate.capacity);

    const { lists, weights, sums, dlogits } = scope(() => {
      const logits = fixture.tensor(`${name}.logits`, on);
      logits.requiresGrad = true;
      const noiseValues = gate.noise ? fixture.tensor(`${name}.noise`, on) : null;
      const used = fixture.names.includes(`${name}.used`)
        ? tensor(Int32Array.from(of("used")), { device: on, shape: [T] })
        : null;
      const routed = topKRouting(logits, { ...options, noiseValues, used });
      const ks = [1, 2].slice(0, K);
      const dweights = Float32Array.from({ length: T * K }, (_, i) => of(`d_weight${ks[i % K]}`)[Math.floor(i / K)]);
      const dsums = new Float32Array(E + 2);
      dsums[E] = gate.d_l_aux;
      const weighted = sum(mul(routed.weights, tensor(dweights, { device: on, shape: [T, K] })));
      const losses = sum(mul(routed.sums, tensor(dsums, { device: on })));
      const [dlogits] = gradients(add(weighted, losses), [logits]);
      return { ...routed, dlogits };
    });

    const found = (await lists.data()) as Int32Array;
    const { counts, position, experts } = listPlaces(E, T * K);
    expect([...found.subarray(counts, counts + E)], "counts").toEqual([...of("counts")]);
    const [w, s, d] = await Promise.all([weights.data(), sums.data(), dlogits?.data()]);
    for (let k = 0; k < K; k++) {
      const column = (values: ArrayLike<number>, start: number) =>
        Array.from({ length: T }, (_, t) => values[start + t * K + k]);
      const chosen = column(found, experts);
      expect(chosen, `expert${k + 1}`).toEqual([...of(`expert${k + 1}`)]);
      const slots = column(found, position).map((row, t) => (row < 0 ? -1 : row - found[chosen[t]]));
      expect(slots, `slot${k + 1}`).toEqual([...of(`slot${k + 1}`)]);
      expectClose(`weight${k + 1}`, column(w, 0), of(`weight${k + 1}`), 2e-5);
    }
    expectClose("l_aux", [s[E]], of("l_aux"), 2e-5);
    expectClose("d_logits", d as Float32Array, of("d_logits"), 1e-4);
  });
});
