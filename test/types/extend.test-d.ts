/** Types of what an op outside the package is made of: see engine.test-d.ts. */

import type { Tensor } from "consilium";
import { defineOp, float, int, maybe, optional, pass, read, write } from "consilium/extend";
import { grid } from "consilium/wgsl";
import { expectTypeOf } from "expect-type";

declare const x: Tensor;

const forward = pass({
  label: "scaled/forward",
  buffers: { x: read("n"), scale: optional(read("n")), y: write("n") },
  params: { n: "u32", factor: "f32" },
  reference({ x, scale, y }, { n, factor }) {
    expectTypeOf(n).toEqualTypeOf<number>();
    // What may be left out may be null, nothing else.
    expectTypeOf(x).not.toBeNullable();
    expectTypeOf(scale).toBeNullable();
    for (let i = 0; i < n; i++) y[i] = x[i] * factor * (scale?.[i] ?? 1);
  },
});

pass({
  label: "wrong/forward",
  buffers: { x: read("n"), y: write("n") },
  params: { n: "u32" },
  // @ts-expect-error buffers by their names
  reference: ({ z }) => z.fill(0),
});
// @ts-expect-error numbers are u32 or f32
pass({ label: "wrong/forward", buffers: { y: write("n") }, params: { n: "i64" }, reference: () => {} });

const scaled = defineOp({
  name: "scaled",
  inputs: { x: float("...", "C"), scale: maybe(float("C")), index: int("...") },
  forward({ x, scale }, options: { factor: number }, { dims, run }) {
    expectTypeOf(scale).toEqualTypeOf<Tensor | null>();
    expectTypeOf(dims.C).toEqualTypeOf<number>();
    const done = run(forward, { x, scale, y: x.shape }, { n: x.size, factor: options.factor });
    // Only what the pass writes comes back.
    expectTypeOf(done).toEqualTypeOf<{ readonly y: Tensor }>();
    // @ts-expect-error every number of the pass
    run(forward, { x, scale, y: x.shape }, { n: x.size });
    // @ts-expect-error every buffer of the pass
    run(forward, { x, y: x.shape }, { n: x.size, factor: 1 });
    // @ts-expect-error a shape is for what is written
    run(forward, { x: x.shape, scale, y: x.shape }, { n: x.size, factor: 1 });
    return { y: done.y, saves: { x }, kept: { n: x.size } };
  },
  gradient({ x }, dy, { kept, needs, options }) {
    expectTypeOf(x).toEqualTypeOf<Tensor>();
    expectTypeOf(dy).toEqualTypeOf<Tensor>();
    expectTypeOf(kept).toEqualTypeOf<{ n: number }>();
    expectTypeOf(needs.x).toEqualTypeOf<boolean>();
    expectTypeOf(options.factor).toEqualTypeOf<number>();
    return { x: dy };
  },
});

expectTypeOf(scaled({ x, scale: null, index: x }, { factor: 2 })).toEqualTypeOf<Tensor>();
// @ts-expect-error an input that is not optional
scaled({ x: null, scale: null, index: x }, { factor: 2 });
// @ts-expect-error every input
scaled({ x, index: x }, { factor: 2 });
// @ts-expect-error options of the op
scaled({ x, scale: null, index: x }, { factor: "2" });

expectTypeOf(grid.text).toEqualTypeOf<string>();
