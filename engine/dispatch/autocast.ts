import type { FloatDType } from "../../kernels/contract.js";
import { recordingHistory } from "../autograd/recording.js";
import { attach, Node } from "../autograd/tape.js";
import type { Storage } from "../device/storage.js";
import { isFloat } from "../dtype.js";
import { OptionError } from "../errors.js";
import { keep, type ScopeResult } from "../scope.js";
import { Tensor, view } from "../tensor.js";
import { toFloat } from "./convert.js";

/** What an op declares: "low" runs in the type of the region, "f32" in f32. */
export type AutocastRule = "low" | "f32";

/** The memory of a cast, and the version of the source that it holds. */
interface Cast {
  readonly storage: Storage;
  readonly dtype: FloatDType;
  readonly version: number;
}

/**
 * One call of `autocast`. A tensor is cast once while its cast is in use: those of parameters are held to the end of the
 * region, others are found as long as the tape or somebody else holds them.
 */
class Region {
  readonly dtype: FloatDType;
  readonly #casts = new WeakMap<Storage, Cast>();
  readonly #held = new Map<Storage, Tensor>();

  constructor(dtype: FloatDType) {
    this.dtype = dtype;
  }

  /** A handle of its own on the values of `t` in `dtype`, without history. */
  cast(t: Tensor, dtype: FloatDType): Tensor {
    const y = this.#known(t, dtype) ?? this.#made(t, dtype);
    const held = this.#held.get(t.storage);
    if (t.requiresGrad && !t.node && held?.storage !== y.storage) {
      held?.dispose();
      this.#held.set(t.storage, keep(view(y, y.shape)));
    }
    return y;
  }

  #known(t: Tensor, dtype: FloatDType): Tensor | null {
    const known = this.#casts.get(t.storage);
    if (known?.dtype !== dtype || known.version !== t.storage.version || known.storage.refs === 0) return null;
    known.storage.retain();
    return new Tensor(known.storage, t.shape, dtype, t.size);
  }

  #made(t: Tensor, dtype: FloatDType): Tensor {
    const y = toFloat(t, dtype);
    this.#casts.set(t.storage, { storage: y.storage, dtype, version: t.storage.version });
    return y;
  }

  close(): void {
    for (const t of this.#held.values()) t.dispose();
  }
}

let region: Region | null = null;

/** The type of the innermost region; null outside of all. */
export const autocastType = (): FloatDType | null => region?.dtype ?? null;

/** Runs `f` in a region that shares no cast with the one around it, or in none. */
export function inRegion<T>(dtype: FloatDType | null, f: () => T): T {
  const before = region;
  const inner = dtype && new Region(dtype);
  region = inner;
  try {
    return f();
  } finally {
    region = before;
    inner?.close();
  }
}

/**
 * Runs `f` in mixed precision: products and attention in `dtype`, what needs range or long sums in f32 (softmax, norms,
 * losses, sum and mean, exp, log, powers), everything else in its inputs' type, the widest where they differ.
 *
 *     const loss = autocast("bf16", () => model.loss(batch));
 *     loss.backward();
 *
 * Parameters stay f32 and get f32 gradients: casts are recorded, and the gradient of each use is cast back before it is
 * added. A parameter is cast once per region. Regions nest; `autocast("f32", f)` inside another computes all of `f` in f32.
 * With "f16" use `optim.GradScaler`. Rules of torch.autocast; Micikevicius et al.: Mixed Precision Training, arXiv 1710.03740.
 */
export function autocast<T>(dtype: FloatDType, f: () => ScopeResult<T>): T {
  if (!isFloat(dtype)) throw new OptionError(`autocast: "${dtype}" is no floating type. Known: f32, bf16, f16.`);
  const result: T = region?.dtype === dtype ? f() : inRegion<T>(dtype, f);
  if (result instanceof Promise)
    throw new TypeError("autocast: the function returned a Promise. A region is synchronous; await outside of it.");
  return result;
}

type Inputs = Readonly<Record<string, Tensor | null>>;

/**
 * Calls `f` with an op's inputs in the types that its rule asks for here, those named in `fixed` as they are; the casts are
 * freed after it.
 */
export function underAutocast<T>(
  inputs: Inputs,
  fixed: ReadonlySet<string>,
  rule: AutocastRule | undefined,
  f: (inputs: Inputs) => T,
): T {
  if (!region) return f(inputs);
  const dtype = typeFor(inputs, fixed, rule, region);
  const fitting: Record<string, Tensor | null> = {};
  try {
    for (const name in inputs) {
      const t = inputs[name];
      fitting[name] =
        t && isFloat(t.dtype) && t.dtype !== dtype && !fixed.has(name) ? recordedCast(region, t, dtype) : t;
    }
    return f(fitting);
  } finally {
    for (const name in fitting) if (fitting[name] !== inputs[name]) fitting[name]?.dispose();
  }
}

function typeFor(
  inputs: Inputs,
  fixed: ReadonlySet<string>,
  rule: AutocastRule | undefined,
  { dtype }: Region,
): FloatDType {
  if (rule) return rule === "low" ? dtype : "f32";
  let widest: FloatDType | null = null;
  for (const name in inputs) {
    const type = fixed.has(name) ? null : inputs[name]?.dtype;
    if (type && isFloat(type)) widest = widest === null || widest === type ? type : "f32";
  }
  return widest ?? dtype;
}

/** A node per use, so that gradients of several uses are added in the type of the source. */
function recordedCast(region: Region, t: Tensor, dtype: FloatDType): Tensor {
  const y = region.cast(t, dtype);
  if (!t.tracked || !recordingHistory()) return y;
  const from = t.dtype as FloatDType;
  attach(new Node("cast", [t], 1, { gradients: ([dy]) => [dy && toFloat(dy, from)] }), [y]);
  return y;
}
