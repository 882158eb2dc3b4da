import * as grouped from "../../../kernels/grouped-gemm/kernels.js";
import { ACTIVATIONS } from "../../../kernels/matmul/activation.js";
import { type Arrays, type Numbers, type PassCase, room, values } from "./pass-case.js";
import { ROUTES, type Routed, routed } from "./routes.js";

function groupedCases(route: string, spec: Routed, [N, K]: readonly [number, number], transposed: number): PassCase[] {
  const { lists, weights, sizes, choices } = routed(spec);
  const { T, R, E } = sizes;
  const seed = `${route} ${N} ${K}`;
  const weight = values(E * N * K, `${seed} weight`, 1 / Math.sqrt(K));
  const found: PassCase[] = [];
  const none = { activation: ACTIVATIONS.none, gated: 0 };
  const each = `${route}, ${N} × ${K}, ${transposed ? "[E,N,K]" : "[E,K,N]"}`;

  const forward = (what: string, options: Numbers, arrays: Arrays) =>
    found.push({
      pass: grouped.forward,
      name: `${each}: ${what}`,
      params: {
        ...sizes,
        N,
        K,
        transposed,
        choices,
        gather: 1,
        O: N,
        ...none,
        accumulate: 0,
        hasBias: 0,
        hasPre: 0,
        ...options,
      },
      arrays: { x: values(T * K, `${seed} x`), weight, bias: null, lists, pre: null, y: room(R * N), ...arrays },
    });
  forward("gathered", {}, {});
  forward(
    "adding, with a bias, by offsets alone",
    { gather: 0, accumulate: 1, hasBias: 1, T: R, L: E + 1 },
    {
      x: values(R * K, `${seed} rows`),
      lists: lists.slice(0, E + 1),
      bias: values(E * N, `${seed} bias`),
      y: values(R * N, `${seed} y`),
    },
  );
  const gated = { activation: ACTIVATIONS.silu, gated: 1, O: N / 2, hasPre: 1 };
  forward("gated", gated, { pre: room(R * N), y: room((R * N) / 2) });
  forward(
    "gated, adding to pre",
    { ...gated, accumulate: 1, hasBias: 1 },
    {
      bias: values(E * N, `${seed} bias`),
      pre: values(R * N, `${seed} pre`),
      y: room((R * N) / 2),
    },
  );
  forward(
    "with GELU and no pre",
    { activation: ACTIVATIONS.gelu, hasBias: 1 },
    { bias: values(E * N, `${seed} bias`) },
  );
  forward("gated without an activation", { gated: 1, O: N / 2 }, { y: room((R * N) / 2) });

  for (const [gather, accumulate] of [
    [0, 0],
    [1, 1],
    [1, 0],
  ])
    found.push({
      pass: grouped.backwardInput,
      name: `${each}: backward, gather ${gather}, accumulate ${accumulate}`,
      params: { ...sizes, T: gather ? T : R, N, K, transposed, choices, gather, accumulate },
      arrays: {
        dy: values((gather ? T : R) * N, `${seed} dy`),
        weight,
        lists,
        dx: accumulate ? values(R * K, `${seed} dx`) : room(R * K),
      },
    });

  for (const gated of [0, 1]) {
    const hasBias = gated;
    found.push({
      pass: grouped.backwardActivation,
      name: `${each}: back through the activation, gated ${gated}`,
      params: {
        ...sizes,
        N: N * (1 + gated),
        C: K,
        W: R,
        transposed,
        choices,
        O: N,
        activation: gated ? ACTIVATIONS.silu : ACTIVATIONS.geluTanh,
        gated,
        hasBias,
      },
      arrays: {
        dout: values(T * K, `${seed} dout`),
        weight,
        bias: hasBias ? values(E * K, `${seed} bias`) : null,
        lists,
        weights,
        pre: values(R * N * (1 + gated), `${seed} pre`),
        dpre: room(R * N * (1 + gated)),
        a: room(R * N),
        dweights: room(R),
      },
    });
  }

  for (const [gatherDy, gatherX, accumulate, bias] of [
    [0, 1, 0, 0],
    [1, 0, 1, 1],
    [0, 0, 0, 1],
  ])
    found.push({
      pass: grouped.backwardWeight,
      name: `${each}: weight, gather ${gatherDy}${gatherX}, accumulate ${accumulate}, bias ${bias}`,
      params: {
        D: gatherDy ? T : R,
        S: gatherX ? T : R,
        R,
        E,
        N,
        K,
        L: sizes.L,
        W: R,
        transposed,
        choices,
        gatherDy,
        gatherX,
        accumulate,
        accumulateBias: accumulate,
        hasWeights: gatherDy,
        hasDbias: bias,
      },
      arrays: {
        dy: values((gatherDy ? T : R) * N, `${seed} dy`, 0.2),
        x: values((gatherX ? T : R) * K, `${seed} x`, 0.2),
        lists,
        weights: gatherDy ? weights : null,
        dweight: accumulate ? values(E * N * K, `${seed} dweight`) : room(E * N * K),
        dbias: bias ? (accumulate ? values(E * N, `${seed} dbias`) : room(E * N)) : null,
      },
    });
  return found;
}

/**
 * Each route and width has every way to call a pass in one layout of the weights, in turns, so that every way also has both:
 * what a kernel does with a layout does not depend on the route.
 */
export const productCases: readonly PassCase[] = Object.entries(ROUTES)
  .flatMap(([route, spec]) => spec.widths.map((widths) => ({ route, spec, widths })))
  .flatMap(({ route, spec, widths }, i) => {
    const [first, second] = [0, 1].map((transposed) => groupedCases(route, spec, widths, transposed));
    return first.map((inOne, j) => ((i + j) % 2 === 0 ? inOne : second[j]));
  });
