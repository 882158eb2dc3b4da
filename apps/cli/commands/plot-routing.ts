import { join } from "node:path";
import type { Command } from "commander";
import sharp from "sharp";
import { platform } from "#platform";
import { io } from "../../../engine/index.js";
import { parseRouting, type RoutingSummary, summarizeRouting, totalTokens } from "../../../models/index.js";
import { loadPlot, splitPlot } from "../../plots/routing-bars.js";
import { pathsPlot } from "../../plots/routing-paths.js";
import { addOutputOptions } from "../options/common-options.js";
import { count } from "../terminal/format.js";
import { type OutputOptions, say, writeFileIn, writeJson } from "../terminal/output.js";

interface Options extends OutputOptions {
  out: string;
}

/** Pixels of the PNG for one of the SVG. */
const SCALE = 2;

const PLOTS: Readonly<Record<string, (summary: RoutingSummary) => string>> = {
  load: loadPlot,
  split: splitPlot,
  paths: pathsPlot,
};

export function addPlotRouting(command: Command): void {
  command
    .argument("<file>", "what `eval med-moe --gating FILE` wrote")
    .requiredOption("--out <folder>", "where load, split and paths go, each as .svg and .png");
  addOutputOptions(command)
    .addHelpText("after", "\nExamples:\n  consilium plot routing routing.jsonl --out plots")
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const text = await io.readText(file, "It is what `consilium eval med-moe --gating FILE` wrote: check the path");
  const summary = summarizeRouting(parseRouting(text, file));
  const files: string[] = [];
  for (const [name, plot] of Object.entries(PLOTS)) {
    const svg = plot(summary);
    const [vector, pixels] = ["svg", "png"].map((ending) => join(options.out, `${name}.${ending}`));
    await writeFileIn(vector, svg);
    // 72 pixels an inch are one for one.
    const png = await sharp(Buffer.from(svg), { density: 72 * SCALE })
      .png()
      .toBuffer();
    await platform.writeFile(pixels, [png]);
    files.push(vector, pixels);
  }
  say(
    options,
    `${count(totalTokens(summary.tokens))} tokens of ${count(summary.questions)} questions: ${files.join(", ")}`,
  );
  const { paths, ...rest } = summary;
  await writeJson(options, { version: 1, command: "plot routing", file, ...rest, paths: paths.slice(0, 100), files });
}
