/** What needs no device: prompts with their ids and labels, images, metrics. */
import { z } from "zod";
import { io } from "../../../engine/index.js";
import { bleu } from "../../eval/med-moe/bleu.js";
import { normaliseForWords } from "../../eval/med-moe/normalise.js";
import { occurs, publishedTable, scoreMedMoe } from "../../eval/med-moe/scores.js";
import { publishedExactMatch, publishedOverlap } from "../../eval/med-moe/word-overlap.js";
import type { Comparison, Golden } from "../../golden/comparison.js";
import type { Message } from "../../text/message.js";
import { pixelValues, squarePixels } from "../input/image-input.js";
import { encodeWithImages } from "../input/image-tokens.js";
import { trainingSample } from "../input/sample.js";
import { formatPrompt, type Template, templateNamed } from "../input/template.js";
import type { GoldenFile } from "./golden.js";

const ids = z.array(z.int());
const prompts = z.looseObject({
  stablelm_and_phi: z.array(
    z.looseObject({
      turns: z.array(z.tuple([z.enum(["human", "gpt"]), z.string()])).min(2),
      prompt: z.string(),
      ids,
      labels: ids,
      generation_prompt: z.string(),
      generation_ids: ids,
    }),
  ),
  plain: z.array(z.looseObject({ caption: z.string(), prompt: z.string(), ids, labels: ids })),
});

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return io.parseWith(
    schema,
    io.parseJson(await io.readText(path, "Make the folder of golden tensors anew"), path),
    path,
  );
}

/** The tokenizer of the golden prompts: a byte b is id b + 4, the end of a text is 2. */
const toy = {
  bos: null,
  pad: 3,
  encode: (text: string) =>
    text
      .split("<|endoftext|>")
      .flatMap((part, i) => [...(i > 0 ? [2] : []), ...Array.from(new TextEncoder().encode(part), (byte) => byte + 4)]),
};

/** Prompts, their ids and labels, by template and row; texts as their bytes. */
export function promptsOf(folder: string) {
  const read = () => readJson(`${folder}/prompts.json`, prompts);
  const whole = (values: ArrayLike<number>): Golden => ({ values, integer: true });
  const bytes = (text: string) => new TextEncoder().encode(text);
  return {
    async expected(): Promise<Map<string, Golden>> {
      const { stablelm_and_phi: chats, plain } = await read();
      const all = new Map<string, Golden>();
      for (const name of CHATS)
        for (const [i, row] of chats.entries()) {
          all.set(`${name}.${i}.prompt`, whole(bytes(row.prompt))).set(`${name}.${i}.ids`, whole(row.ids));
          all.set(`${name}.${i}.labels`, whole(row.labels));
          all.set(`${name}.${i}.generation_prompt`, whole(bytes(row.generation_prompt)));
          all.set(`${name}.${i}.generation_ids`, whole(row.generation_ids));
        }
      for (const [i, row] of plain.entries()) {
        all.set(`plain.${i}.prompt`, whole(bytes(row.prompt)));
        all.set(`plain.${i}.ids`, whole(row.ids)).set(`plain.${i}.labels`, whole(row.labels));
      }
      return all;
    },
    async run(c: Comparison): Promise<void> {
      const { stablelm_and_phi: chats, plain } = await read();
      const compare = (name: string, template: Template, messages: readonly Message[]) => {
        const sample = trainingSample(template, messages, toy);
        c.ids(`${name}.prompt`, bytes(formatPrompt(template, messages)));
        c.ids(`${name}.ids`, sample.ids);
        c.ids(`${name}.labels`, sample.labels);
      };
      for (const name of CHATS)
        for (const [i, row] of chats.entries()) {
          const template = templateNamed(name);
          const messages = row.turns.map(([who, text]): Message => ({ role: ROLES[who], text }));
          compare(`${name}.${i}`, template, messages);
          const asked = formatPrompt(template, messages.slice(0, -1));
          c.ids(`${name}.${i}.generation_prompt`, bytes(asked));
          c.ids(`${name}.${i}.generation_ids`, encodeWithImages(toy, asked));
        }
      for (const [i, { caption }] of plain.entries())
        compare(`plain.${i}`, templateNamed("plain"), [
          { role: "user", text: "<image>" },
          { role: "assistant", text: caption },
        ]);
    },
  };
}

const CHATS = ["stablelm", "phi"];
const ROLES = { human: "user", gpt: "assistant" } as const;

/** Pictures `NAME.input` as the tower reads them: `NAME.pad.resized_u8`, `NAME.crop.pixel_values`, ... */
export function compareImages(c: Comparison, golden: GoldenFile, names: Iterable<string>, tolerance: number): void {
  for (const name of names) {
    const [, picture, mode, what] = /^(.*)\.(pad|crop)\.(resized_u8|pixel_values)$/.exec(name) ?? [];
    if (picture === undefined) continue;
    const { values, shape } = golden.get(`${picture}.input`);
    const image = { height: shape[0], width: shape[1], rgb: Uint8Array.from(values) };
    const size = golden.get(name).shape[1];
    if (what === "resized_u8") c.ids(name, squarePixels(image, size, mode === "pad").rgb);
    else c.forward(name, pixelValues(image, size, mode === "pad"), tolerance);
  }
}

const share = z.number();
const metrics = z.looseObject({
  cases: z.array(
    z.looseObject({
      prediction: z.string(),
      answer: z.string(),
      answer_type: z.string(),
      normalized_prediction: z.string(),
      normalized_answer: z.string(),
      exact_match: share,
      f1: share,
      precision: share,
      recall: share,
      bleu: z.array(share).length(3),
      correct: z.boolean().optional(),
    }),
  ),
  table: z.record(z.string(), z.number()),
});

type MetricCase = z.infer<typeof metrics>["cases"][number];

/** Metrics of answers, by the published definitions: each pair, and the table of averages. */
export function metricsOf(folder: string, tolerance: number) {
  const read = () => readJson(`${folder}/metrics.json`, metrics);
  const texts = (prediction: string, answer: string) => new TextEncoder().encode(`${prediction}\n${answer}`);
  const numbers = ({ exact_match, f1, precision, recall, bleu, correct }: MetricCase) => [
    ...[exact_match, f1, precision, recall, ...bleu],
    ...(correct === undefined ? [] : [correct ? 1 : 0]),
  ];
  return {
    async expected(): Promise<Map<string, Golden>> {
      const { cases, table } = await read();
      return new Map<string, Golden>([
        ...cases.flatMap((row, i): [string, Golden][] => [
          [`${i}.normalised`, { values: texts(row.normalized_prediction, row.normalized_answer), integer: true }],
          [`${i}.scores`, { values: numbers(row), integer: false }],
        ]),
        ...Object.entries(table).map(([name, value]): [string, Golden] => [
          `table.${name}`,
          { values: [value], integer: false },
        ]),
      ]);
    },
    async run(c: Comparison): Promise<void> {
      const { cases } = await read();
      for (const [i, row] of cases.entries()) {
        const { prediction, answer } = row;
        c.ids(`${i}.normalised`, texts(normaliseForWords(prediction), normaliseForWords(answer)));
        const found = {
          ...row,
          ...publishedOverlap(prediction, answer),
          exact_match: publishedExactMatch(prediction, answer),
          bleu: ([1, 2, 3] as const).map((n) => bleu(prediction, answer, n)),
          ...(row.correct !== undefined && { correct: occurs(row) }),
        };
        c.forward(`${i}.scores`, numbers(found), tolerance);
      }
      const answered = cases.map(({ prediction, answer, answer_type }) => ({
        prompt: "",
        prediction,
        answer,
        answerType: answer_type.toUpperCase().startsWith("O") ? ("OPEN" as const) : ("CLOSED" as const),
      }));
      for (const [name, share] of Object.entries(publishedTable(scoreMedMoe(answered))))
        c.forward(`table.${name}`, [100 * share], tolerance);
    },
  };
}
