import { add, gather, logSoftmax, mean, mul, neg, reshape, scale, sum, tensor } from "../../../engine/index.js";
import type { Twin } from "./twin.js";

export const crossEntropy: Twin = ({ logits }, options, { target }) => {
  const {
    labelSmoothing: e,
    ignoreIndex,
    reduction,
  } = options as unknown as {
    labelSmoothing: number;
    ignoreIndex: number;
    reduction: "none" | "sum" | "mean";
  };
  const { device } = logits;
  const counts = Float32Array.from(target.values, (t) => (t === ignoreIndex ? 0 : 1));
  const index = Int32Array.from(target.values, (t) => (t === ignoreIndex ? 0 : t));
  const p = logSoftmax(logits);
  const picked = gather(p, p.rank - 1, tensor(index, { device, shape: [...target.shape, 1] }));
  const hit = reshape(picked, target.shape);
  const each = neg(add(scale(hit, 1 - e), scale(mean(p, { dim: -1 }), e)));
  const loss = mul(each, tensor(counts, { device, shape: target.shape }));
  if (reduction === "none") return loss;
  const count = counts.reduce((a, b) => a + b, 0);
  return scale(sum(loss), reduction === "mean" ? 1 / Math.max(1, count) : 1);
};
