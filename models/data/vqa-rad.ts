/**
 * VQA-RAD: clinicians' questions about radiology images (Lau et al., Scientific Data 5, 180251, 2018), and questions from
 * a template about the same images. The official split is by question: every test image also occurs in training. The
 * template questions are split by image.
 */
import { z } from "zod";
import { io } from "../../engine/index.js";
import { requireImages } from "./images-present.js";
import { answerTypeField, imagePath, type Splits, textField, type VqaRecord } from "./record.js";
import { type LoadOptions, type NumberedRow, readRows } from "./rows.js";

const Row = z.looseObject({
  image_name: z.string().min(1),
  image_organ: z.string().optional(),
  question: textField,
  answer: textField,
  answer_type: answerTypeField.optional(),
  qid: textField.optional(),
});

const OrganRow = Row.extend({ split: z.enum(["train", "test"]) });

const Smoke = z.looseObject({
  images: z.array(z.string()),
  train_qids: z.array(textField),
  test_qids: z.array(textField),
});

const NEEDED = "It lists the images and questions of a smoke run: take the folder that comes with the package";

const readSmoke = async (folder: string) => {
  const file = imagePath(folder, "smoke.json");
  return io.parseWith(Smoke, io.parseJson(await io.readText(file, NEEDED), file), file);
};

const toRecord = (row: NumberedRow<z.infer<typeof Row>>, imageFolder: string): VqaRecord => ({
  image: imagePath(imageFolder, row.image_name),
  question: row.question,
  answer: row.answer,
  answerType: row.answer_type,
  category: row.image_organ || undefined,
  qid: row.qid ?? String(row.row),
  row: row.row,
});

/** A file of this format: JSON array as published, or JSON lines. All images are looked for first. */
export async function loadVqaRadFile(
  file: string,
  imageFolder: string,
  options: LoadOptions = {},
): Promise<VqaRecord[]> {
  const records = await readVqaRadFile(file, imageFolder);
  if (options.requireImages ?? true) await requireImages(records, file);
  return records;
}

/** The same, without a look for the images: for their texts. */
const readVqaRadFile = async (file: string, imageFolder: string) =>
  (await readRows(file, Row)).map((row) => toRecord(row, imageFolder));

/** `trainset.json`, `testset.json` and `images/` in one folder: 3064 and 451 questions. */
export async function loadVqaRad(folder: string, options?: LoadOptions): Promise<Splits> {
  const images = imagePath(folder, "images");
  return {
    train: await loadVqaRadFile(imagePath(folder, "trainset.json"), images, options),
    test: await loadVqaRadFile(imagePath(folder, "testset.json"), images, options),
  };
}

/** The questions of VQA-RAD about 24 images that `smoke.json` lists, for a run of seconds. */
export async function loadVqaRadSmoke(folder: string, options?: LoadOptions): Promise<Splits> {
  const smoke = await readSmoke(folder);
  const { train, test } = await loadVqaRad(folder, options);
  const [inTrain, inTest] = [new Set(smoke.train_qids), new Set(smoke.test_qids)];
  return {
    train: train.filter((record) => inTrain.has(record.qid)),
    test: test.filter((record) => inTest.has(record.qid)),
  };
}

const organFile = (folder: string) => imagePath(folder, "organ.json");

async function readOrgan(folder: string): Promise<Splits> {
  const rows = await readRows(organFile(folder), OrganRow);
  const take = (split: "train" | "test") =>
    rows.filter((row) => row.split === split).map((row) => toRecord(row, imagePath(folder, "images")));
  return { train: take("train"), test: take("test") };
}

async function withOrganImages(splits: Splits, folder: string, { requireImages: required = true }: LoadOptions) {
  if (required) await requireImages([...splits.train, ...splits.test], organFile(folder));
  return splits;
}

/** `organ.json`: which part of the body is it? Three questions an image, five answers, 250 and 64 images. */
export const loadOrgan = async (folder: string, options: LoadOptions = {}): Promise<Splits> =>
  withOrganImages(await readOrgan(folder), folder, options);

/** The training questions of `organ.json` and `trainset.json`, without a look for their images: for their words. */
export const trainingTexts = async (folder: string): Promise<VqaRecord[]> => [
  ...(await readOrgan(folder)).train,
  ...(await readVqaRadFile(imagePath(folder, "trainset.json"), imagePath(folder, "images"))),
];

/** The questions of `organ.json` about the images of `smoke.json`: 60 and 12. */
export async function loadOrganSmoke(folder: string, options: LoadOptions = {}): Promise<Splits> {
  const { images } = await readSmoke(folder);
  const wanted = new Set(images.map((name) => imagePath(imagePath(folder, "images"), name)));
  const { train, test } = await readOrgan(folder);
  const within = (records: readonly VqaRecord[]) => records.filter((record) => wanted.has(record.image));
  return withOrganImages({ train: within(train), test: within(test) }, folder, options);
}
