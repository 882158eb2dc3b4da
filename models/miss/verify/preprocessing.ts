import { io } from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";
import type { GoldenTensor } from "../../golden/read.js";
import { interpolatePositions } from "../../images/position-embedding.js";
import { resizeBilinear } from "../../images/resize.js";
import { publishedScaling, toChannels } from "../../images/scaling.js";

/** Golden images and position tables before and after: no model, no device. */
export const PREPROCESSING = { scenario: "preprocess", file: "preprocess.safetensors" } as const;

const isSource = (name: string) => /\.src(_u8_hwc)?$/.test(name);

/** Those that preprocessing gives. */
export const preprocessed = (expected: ReadonlyMap<string, GoldenTensor>): [string, GoldenTensor][] =>
  [...expected].filter(([name]) => !isSource(name));

/** Images resized to bytes and scaled as published, position tables interpolated to other grids. */
export function preprocessing(folder: string, expected: ReadonlyMap<string, GoldenTensor>, c: Comparison): void {
  const shapeOf = (name: string) => {
    const found = expected.get(name);
    if (!found)
      throw new io.FileFormatError(
        `${folder}/${PREPROCESSING.file}`,
        `there is no tensor ${name}`,
        "Make the folder anew",
      );
    return found.shape;
  };
  for (const [name, { values, shape }] of expected) {
    const base = name.replace(/\.src(_u8_hwc)?$/, "");
    if (name.endsWith(".src_u8_hwc")) {
      const [height, width] = shape;
      const [to] = shapeOf(`${base}.resized_u8_hwc`);
      const resized = resizeBilinear({ height, width, rgb: Uint8Array.from(values) }, to, to);
      c.ids(`${base}.resized_u8_hwc`, resized.rgb);
      c.scaled(`${base}.model_input_chw`, toChannels(resized, publishedScaling), FLOAT, 1 / 255);
    } else if (name.endsWith(".src")) {
      const [, tokens, width] = shapeOf(`${base}.dst`);
      const table = Float32Array.from(values);
      c.gradient(`${base}.dst`, interpolatePositions(table, width, Math.sqrt(tokens - 1)), FLOAT);
    }
  }
}

/** One unit in the last place of the largest value. */
const FLOAT = 2 ** -23;
