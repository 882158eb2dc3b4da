import { noGrad, reshape, scope, type Tensor, writeRows } from "../../../engine/index.js";

/** The values of `target` become those of `values`, on the device. */
export function overwrite(target: Tensor, values: Tensor): void {
  const flat = (t: Tensor) => reshape(t, [t.size]);
  noGrad(() => scope(() => writeRows(flat(target), flat(values), { dim: 0, position: 0 })));
}
