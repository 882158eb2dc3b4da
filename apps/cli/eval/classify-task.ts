import { dirname } from "node:path";
import {
  answerLine,
  CLASS_QUESTION,
  type Classified,
  classNames,
  classQuestion,
  loadImageList,
  namedClass,
} from "../../../models/index.js";
import { UsageError } from "../terminal/exit.js";
import { readClassFolder } from "./class-folder.js";
import { classFields, classText } from "./class-scores.js";
import type { EvalTask } from "./task.js";

export interface ClassifyOptions {
  /** Images in folders named after their classes; with a list, where its images are. */
  readonly imageFolder?: string;
  /** A table of images and classes. */
  readonly imageList?: string;
  /** Names of the classes, in the place of folders' names or labels. */
  readonly classes?: readonly string[];
  /** What is asked, with {classes} in the place of their names. */
  readonly question?: string;
  /** Whether answers are written freely, or chosen by their likelihood. */
  readonly answering: "generate" | "rank";
}

/** Images that are put into classes by asking which of them each shows. */
export async function classifyTask({
  imageFolder,
  imageList,
  classes: given,
  question = CLASS_QUESTION,
  answering,
}: ClassifyOptions): Promise<EvalTask> {
  const source = imageList ?? imageFolder;
  if (source === undefined)
    throw new UsageError("--task classify needs --image-folder, with a folder for each class, or --image-list.");
  const images = imageList
    ? await loadImageList(imageList, { imageFolder })
    : await readClassFolder(source, (note) => process.stderr.write(`${note}\n`));
  const classes = classNames(images, given);
  const questions = images.map((image) => classQuestion(image, classes, question));
  const labels = new Map(questions.map(({ id = "", messages }) => [id, messages[1].text]));
  return {
    name: "classify",
    source,
    questions,
    images: imageFolder ?? dirname(source),
    settings: { classes, answering },
    ...(answering === "rank" && { choices: classes }),
    line(answer, model) {
      const said = namedClass(answer.text, classes);
      return answerLine(answer, model, { class: labels.get(answer.id), said: said === null ? null : classes[said] });
    },
    scores(answers) {
      const items = answers.map(({ metadata }) => ({ label: metadata.class, said: metadata.said }) as Classified);
      return { text: classText(items, classes), fields: classFields(items, classes) };
    },
    together: ["score", "--pred", "PART..."],
  };
}
