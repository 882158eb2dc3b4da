/** What runs in each process of `eval med-moe --devices`: answers the questions that its parent sends. */
import { openDevice } from "../../../engine/index.js";
import type { Reply, Request } from "./answer-processes.js";
import { type Answerer, openAnswerer } from "./answerer.js";

let answerer: Answerer | null = null;
const never = new AbortController().signal;

async function reply(request: Request): Promise<Reply> {
  if (request.type === "open") {
    const { job, questions, file } = request;
    const { device: name, threads, memory } = request.device;
    const device = await openDevice(name, { threads, memoryBudget: memory });
    answerer = await openAnswerer(job, device, questions, file);
    return { type: "opened", description: device.description };
  }
  if (!answerer) throw new Error("no model was opened");
  if (request.type === "ask") return { type: "answer", answer: await answerer.ask(request.question, never) };
  return { type: "closed", used: await answerer.close() };
}

process.on("message", async (request: Request) => {
  const answer = await reply(request).catch(
    (error): Reply => ({ type: "error", message: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(answer);
});
// Ctrl-C goes to all processes of a terminal: the parent says what comes of it, and without it there is nobody to answer to.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit());
