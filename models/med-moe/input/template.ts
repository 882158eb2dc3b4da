/** How a conversation becomes one text: the templates that the published checkpoints were trained with. */
import { io, OptionError } from "../../../engine/index.js";
import { countImages, IMAGE, type Message } from "../../text/message.js";

/** The names of templates. */
export type TemplateName = "stablelm" | "phi" | "plain" | "simple";

/** How a conversation is written as one text. */
export interface Template {
  /** As it is asked for. */
  readonly name: TemplateName;
  /** In front of all. */
  readonly system: string;
  /** Names in front of a message. */
  readonly roles: Readonly<Record<Message["role"], string>>;
  /** Behind a message. */
  readonly ends: Readonly<Record<Message["role"], string>>;
  /** Said before the conversation begins. */
  readonly preamble: readonly Message[];
  /** Ends an answer in text: generation stops there. */
  readonly stop: string;
}

const CHAT =
  "A chat between a curious user and an artificial intelligence assistant. " +
  "The assistant gives helpful, detailed, and polite answers to the user's questions. ";

const END_OF_TEXT = "<|endoftext|>";

const chat = (name: TemplateName): Template => ({
  name,
  system: CHAT,
  roles: { user: "USER", assistant: "ASSISTANT" },
  ends: { user: " ", assistant: END_OF_TEXT },
  preamble: [],
  stop: END_OF_TEXT,
});

const TEMPLATES: Readonly<Record<TemplateName, Template>> = {
  stablelm: chat("stablelm"),
  phi: chat("phi"),
  /** Alignment: images and their caption, nothing else. */
  plain: {
    name: "plain",
    system: "",
    roles: { user: "", assistant: "" },
    ends: { user: "", assistant: "\n" },
    preamble: [],
    stop: "\n",
  },
  /** LLaVA-Med's. No blank between its sentences: the published text has none. */
  simple: {
    name: "simple",
    system:
      "You are LLaVA-Med, a large language and vision assistant trained by a group of researchers at Microsoft, " +
      "based on the general domain LLaVA architecture." +
      "You are designed to assist human with a variety of medical and clinical research tasks using natural language." +
      "Follow the instructions carefully.###",
    roles: { user: "Human", assistant: "Assistant" },
    ends: { user: "###", assistant: "###" },
    preamble: [
      { role: "user", text: "Hi!" },
      { role: "assistant", text: "Hi there!  How can I help you today?\n" },
    ],
    stop: "###",
  },
};

/** All that can be asked for by name. */
export const templateNames = Object.keys(TEMPLATES) as TemplateName[];

/** Names that mean another: the published README calls its template `phi2`, which its code does not know. */
const ALIASES: Readonly<Record<string, TemplateName>> = { phi2: "phi" };

/** The template of a name. Throws OptionError listing those that are. */
export function templateNamed(name: string): Template {
  const known = (ALIASES[name] ?? name) as TemplateName;
  if (Object.hasOwn(TEMPLATES, known)) return TEMPLATES[known];
  const names = [...templateNames, ...Object.keys(ALIASES)];
  throw new OptionError(
    `There is no template "${name}". ${io.didYouMean(name, names)}Templates are ${templateNames.join(", ")}.`,
  );
}

/**
 * The template that a model was tuned with, by its name (of a folder, or in a hub), else by the `model_type` of its
 * config. Throws OptionError where neither says.
 */
export function templateOf(modelName: string, modelType = ""): Template {
  for (const text of [modelName, modelType].map((text) => text.toLowerCase()))
    for (const name of ["phi", "stablelm"] as const) if (text.includes(name)) return TEMPLATES[name];
  throw new OptionError(
    `The name "${modelName}" does not say which template the model was tuned with. Name one: ${templateNames.join(", ")}.`,
  );
}

/**
 * The prompt of a conversation: messages alternate, the user's first. Where the user's is the last, the assistant's turn
 * is opened for an answer.
 */
export function formatPrompt(template: Template, messages: readonly Message[]): string {
  checkTurns(messages);
  const { name, system, roles, ends, preamble } = template;
  const label = (role: Message["role"]) => (roles[role] === "" ? "" : `${roles[role]}:`);
  const lines = [...preamble, ...messages].map(({ role, text }) => {
    // Alignment has no questions: captions follow their images.
    const said = name === "plain" && role === "user" ? IMAGE.repeat(countImages(text)) : text;
    return `${label(role)}${label(role) && " "}${said}${ends[role]}`;
  });
  const open = messages.at(-1)?.role === "user" ? label("assistant") : "";
  return system + lines.join("") + open;
}

/**
 * The prompt of a conversation that waits for an answer: the last message is the user's. In the template plain, which has no
 * questions, what is asked begins the caption that the model ends.
 */
export function openPrompt(template: Template, messages: readonly Message[]): string {
  checkTurns(messages);
  if (messages.length % 2 === 0)
    throw new OptionError("The last message is the assistant's: one of the user's is answered.");
  if (template.name !== "plain") return formatPrompt(template, messages);
  if (messages.length > 1)
    throw new OptionError("The template plain has no turns: ask with one message, which begins a caption.");
  return messages[0].text.replaceAll(`${IMAGE}\n`, IMAGE).trimEnd();
}

function checkTurns(messages: readonly Message[]): void {
  if (messages.length === 0) throw new OptionError("A conversation needs a message.");
  for (const [i, { role }] of messages.entries()) {
    const expected = i % 2 === 0 ? "user" : "assistant";
    if (role !== expected)
      throw new OptionError(`Message ${i + 1} is the ${role}'s: messages alternate, the user's comes first.`);
  }
}
