/** Images put into classes by asking: the question with the list of classes, and which of its names an answer says. */
import { OptionError } from "../../../engine/index.js";
import { normaliseAnswer } from "../../data/answers.js";
import type { Conversation } from "../../data/conversation-form.js";
import type { LabelledImage } from "../../data/labelled-images.js";

/** Stands for the names of the classes in a question. */
const CLASSES = "{classes}";

/** What is asked about an image where nothing else is said. */
export const CLASS_QUESTION = `What does this image show? Answer with one of these: ${CLASSES}.`;

/**
 * The names that a model is asked to choose from, for the labels that images have: `given` in its order, to which labels
 * that are numbers point (as MedMNIST's do), else the labels themselves, in the order of the alphabet. `_` is read as a blank. Throws
 * OptionError where there is nothing to choose, or where two names read the same.
 */
export function classNames(images: readonly LabelledImage[], given?: readonly string[]): string[] {
  const classes = given ? [...given] : [...new Set(images.map(({ label }) => readable(label)))].sort();
  if (classes.length < 2)
    throw new OptionError(
      `There is one class, "${classes[0]}", and nothing to choose between. Give images of two or more, or name the others, too.`,
    );
  const first = new Map<string, string>();
  for (const name of classes) {
    const read = words(name);
    if (read.trim() === "") throw new OptionError(`The class "${name}" has no word in it that an answer could say.`);
    const other = first.get(read);
    if (other !== undefined)
      throw new OptionError(`The classes "${other}" and "${name}" read the same in an answer. Rename one of them.`);
    first.set(read, name);
  }
  return classes;
}

const readable = (label: string) => label.replaceAll("_", " ").trim();

/** The class that a label means. Throws OptionError, naming the image's place, where it is none of them. */
export function classOf({ label, place }: LabelledImage, classes: readonly string[]): string {
  const named = classes.find((name) => words(name) === words(readable(label)));
  const found = named ?? (/^\d+$/.test(label) ? classes[Number(label)] : undefined);
  if (found !== undefined) return found;
  throw new OptionError(
    `${place}: "${label}" is none of the ${classes.length} classes ${classes.join(", ")}. Name all of them; a number counts ` +
      "them from 0.",
  );
}

/** An image as a question whose answer is its class. */
export const classQuestion = (
  image: LabelledImage,
  classes: readonly string[],
  question: string = CLASS_QUESTION,
): Conversation => ({
  id: image.id,
  images: [image.image],
  messages: [
    { role: "user", text: question.replaceAll(CLASSES, classes.join(", ")) },
    { role: "assistant", text: classOf(image, classes) },
  ],
  answerType: "CLOSED",
  place: image.place,
});

/** A text's words between blanks. */
const words = (text: string) =>
  ` ${normaliseAnswer(text)
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()} `;

/**
 * Index of the one class that `text` names, whatever case and punctuation; null where it names none, or several. A name within a
 * longer one that is there ("kidney" in "left kidney") does not count, nor one within a word ("normal" in "abnormal").
 */
export function namedClass(text: string, classes: readonly string[]): number | null {
  let rest = words(text);
  const found: number[] = [];
  const longest = classes.map((name, i) => ({ name: words(name), i })).sort((a, b) => b.name.length - a.name.length);
  for (const { name, i } of longest) {
    if (name.trim() === "" || !rest.includes(name)) continue;
    found.push(i);
    rest = rest.replaceAll(name, " | ");
  }
  return found.length === 1 ? found[0] : null;
}
