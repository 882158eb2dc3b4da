import type { Tensor } from "../tensor.js";

/** What an op accepts as one of its inputs: made by `float`, `int`, `any` and `maybe`. */
export interface InputSchema<Optional extends boolean = boolean> {
  /** Types that it may have. */
  readonly kind: "float" | "f32" | "i32" | "any";
  /** Letters that must agree between inputs, numbers, or a leading "..." for any dimensions in front. */
  readonly dims: readonly (string | number)[];
  /** Whether it may be null. */
  readonly optional: Optional;
}

/** Sizes of an input: letters, numbers, a leading "...". */
export type Dims = readonly (string | number)[];
/** An input of a floating type: `float("...", "C")`. Letters must agree between inputs, and `dims` of a run has their sizes. */
export const float = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "float",
  dims,
  optional: false,
});
/** An input that is f32 whatever the type of the others, which `autocast` leaves so: weights of a router. */
export const float32 = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "f32",
  dims,
  optional: false,
});
/** An input of i32: indices, targets. */
export const int = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "i32",
  dims,
  optional: false,
});
/** An input of any type. */
export const any = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "any",
  dims,
  optional: false,
});
/** An input that may be null: `maybe(float("C"))`. */
export const maybe = /* @__NO_SIDE_EFFECTS__ */ (schema: InputSchema): InputSchema<true> => ({
  ...schema,
  optional: true,
});

/** The inputs of an op by name. */
export type Inputs = Readonly<Record<string, InputSchema>>;
/** What a call of an op gets. */
export type InputTensors<I extends Inputs> = {
  readonly [K in keyof I]: I[K] extends InputSchema<true> ? Tensor | null : Tensor;
};
