import * as permute from "../../../kernels/token-permute/kernels.js";
import { type PassCase, room, values } from "./pass-case.js";
import { ROUTES, type Routed, routed } from "./routes.js";

function permuteCases(route: string, spec: Routed, C: number): PassCase[] {
  const { lists, weights, sizes, choices: K } = routed(spec);
  const { T, R } = sizes;
  const params = { ...sizes, K, C };
  const x = values(R * C, `${route} rows`);
  const y = values(T * C, `${route} y`);
  const combine = (name: string, weighted: boolean, accumulate: number): PassCase => ({
    pass: permute.combine,
    name,
    params: { ...params, accumulate, hasWeights: weighted ? 1 : 0 },
    arrays: { x, weights: weighted ? weights : null, lists, y: accumulate ? y : room(T * C) },
  });
  return [
    { pass: permute.dispatch, name: route, params, arrays: { x: y, lists, y: room(R * C) } },
    combine(`${route}, weighted`, true, 0),
    combine(`${route}, adding`, false, 1),
    {
      pass: permute.backwardCombine,
      name: route,
      params,
      arrays: { dy: y, x, weights, lists, dx: room(R * C), dweights: room(R) },
    },
  ];
}

export const rowCases: readonly PassCase[] = Object.entries(ROUTES).flatMap(([route, spec], i) => {
  // Less than a vector of columns, and past a workgroup.
  const C = [5, 130][i % 2];
  return permuteCases(`${route}, ${C}`, spec, C);
});
