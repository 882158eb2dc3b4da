/** The process that reads damaged files, one after the other: a reader that ends it, or never comes back, ends nothing else. */
import { caseOf } from "./cases.js";
import { formats } from "./formats/index.js";
import { readCase } from "./read-case.js";

/** What it is sent: files [from, to) of a kind. */
export interface Work {
  readonly format: string;
  readonly from: number;
  readonly to: number;
  readonly scratch: string;
}

process.on("message", async ({ format: name, from, to, scratch }: Work) => {
  const format = formats.find((known) => known.name === name);
  if (!format) throw new Error(`there is no format ${name}`);
  // A reader that takes no sound file would keep every promise. What is loaded with the first file of a kind, and compiled in the
  // course of the first ones, is no memory of theirs.
  for (const sample of await format.samples()) {
    const { isParsed, message } = await readCase({ format, number: 0, sample, bytes: sample.bytes }, scratch);
    if (!isParsed) throw new Error(`${name}: the sound file ${sample.name} is refused: ${message}`);
  }
  process.send?.({ ready: true });
  for (let number = from; number < to; number++) process.send?.(await readCase(await caseOf(format, number), scratch));
  process.send?.({ done: true });
});
process.on("disconnect", () => process.exit());
