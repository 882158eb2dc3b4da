/** Types of the models' public API: see engine.test-d.ts. */

import type { Device } from "consilium";
import {
  type Answering,
  type ChatEnd,
  MedMoe,
  MissVqa,
  type Prediction,
  RunConfig,
  type RunConfigInput,
  trainMiss,
} from "consilium/models";
import { expectTypeOf } from "expect-type";

declare const device: Device;
declare const model: MissVqa;

expectTypeOf(MissVqa.load("folder", { device })).resolves.toEqualTypeOf<MissVqa>();
// @ts-expect-error a model lives on a device
MissVqa.load("folder");
// @ts-expect-error an open device, not its name
MissVqa.load("folder", { device: "cpu" });
// @ts-expect-error a model is loaded
new MissVqa();

expectTypeOf(model.answer("chest.jpg", "What is it?")).resolves.toEqualTypeOf<Prediction>();
expectTypeOf(model.answer(new Uint8Array(), "What is it?")).resolves.toEqualTypeOf<Prediction>();
expectTypeOf<Prediction["answer"]>().toEqualTypeOf<string>();
// @ts-expect-error an image and a question
model.answer("chest.jpg");
// @ts-expect-error a way of answering that there is
model.answer("chest.jpg", "What is it?", { answering: { method: "guess" } });
expectTypeOf<Answering["method"]>().toEqualTypeOf<"generate" | "rank">();

// What is left out has a default; the parsed configuration has everything.
const input: RunConfigInput = { data: { set: "organ", folder: "x" }, epochs: 1 };
expectTypeOf(RunConfig.parse(input)).toEqualTypeOf<RunConfig>();
expectTypeOf<RunConfig["batch"]>().toEqualTypeOf<number>();
expectTypeOf<RunConfigInput["batch"]>().toEqualTypeOf<number | undefined>();
// @ts-expect-error a data set that there is
({ data: { set: "imagenet", folder: "x" }, epochs: 1 }) satisfies RunConfigInput;
expectTypeOf(trainMiss).parameter(0).toEqualTypeOf<RunConfig>();

// Pieces of text; how the answer ended comes with the iterator's end.
expectTypeOf(MedMoe.load("folder", { device, dtype: "bf16" })).resolves.toEqualTypeOf<MedMoe>();
declare const speaker: MedMoe;
const messages = [{ role: "user", text: "<image>\nWhat is it?" }] as const;
expectTypeOf(
  speaker.chat(messages, { images: ["chest.jpg", new Uint8Array()], signal: AbortSignal.timeout(1) }),
).toEqualTypeOf<AsyncGenerator<string, ChatEnd>>();
// @ts-expect-error roles are the user and the assistant
speaker.chat([{ role: "system", text: "Be brief." }]);
