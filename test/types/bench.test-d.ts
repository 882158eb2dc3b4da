/** Types of the benchmarks' public API: see engine.test-d.ts. */

import {
  type BenchDocument,
  type BenchRow,
  type Ceiling,
  compareDocuments,
  type Judgement,
  judge,
  type MissingPeer,
  type Phase,
  type RowComparison,
  runBench,
  type TimedPeer,
  type Verdict,
} from "consilium/bench";
import { expectTypeOf } from "expect-type";

declare const document: BenchDocument;

expectTypeOf(runBench("moe", { device: "cpu", threads: 2, budgetSeconds: 60 })).resolves.toEqualTypeOf<BenchDocument>();
expectTypeOf(
  runBench("all", { device: "cuda:1", threads: [1, 2], budgetSeconds: 60, dtype: "bf16", routing: "zipf" }),
).resolves.toEqualTypeOf<BenchDocument>();
expectTypeOf(runBench("moe")).resolves.toEqualTypeOf<BenchDocument>();
// @ts-expect-error no such option
runBench("moe", { budget: 60 });
// @ts-expect-error no such suite
runBench("mixtures", { device: "cpu", threads: 1, budgetSeconds: 60 });

// What is in a document has names.
expectTypeOf(document.rows).toEqualTypeOf<BenchRow[]>();
expectTypeOf(document.ceilings).toEqualTypeOf<Ceiling[]>();
expectTypeOf<BenchRow["peers"][string]>().toEqualTypeOf<TimedPeer | MissingPeer>();
expectTypeOf<NonNullable<BenchRow["phases"]>>().toEqualTypeOf<Phase[]>();

const comparison = compareDocuments(document, document);
expectTypeOf(comparison.rows).toEqualTypeOf<readonly RowComparison[]>();
expectTypeOf(comparison.rows[0].verdict).toEqualTypeOf<Verdict>();
expectTypeOf(judge(comparison, 0.95)).toEqualTypeOf<Judgement>();
