// What the page asks of MISS: open a device, load a model, answer, train. Runs in a worker or in the page itself.
import { io, openDevice } from "consilium";
import { MissVqa, RunConfig, trainMiss } from "consilium/models";

/** Where a training keeps its run: the page's own storage. */
const OUT = "opfs:miss-tiny";

/**
 * `data` is the URL of the project's data folder; `tell` hears of every download and every training step. The methods take
 * and give what can be posted between threads.
 */
export function createModel(data, tell) {
  let device = null;
  let miss = null;
  let stopping = null;
  io.onDownload((download) => tell({ type: "download", ...download }));

  async function load(folder) {
    const next = await MissVqa.load(folder, { device });
    miss?.dispose();
    miss = next;
  }

  return {
    /** Resolves with the adapter's description. */
    async open() {
      device = await openDevice("webgpu");
      return device.description;
    },

    load,

    /** `image`: a URL, or the bytes of an image file. */
    answer: (image, question) => miss.answer(image, question),

    /** Trains from random weights, or goes on with what was stopped; then answers come from what it learned. */
    async train(epochs, resume) {
      stopping = new AbortController();
      if (!resume) await forget();
      const config = RunConfig.parse({
        data: { set: "organ-smoke", folder: `${data}/vqa-rad` },
        vocabulary: "reduced",
        scaling: "ordinary",
        epochs,
        batch: 6,
        lr: 1e-3,
        warmupSteps: 5,
        schedule: "step",
        dropout: 0,
        dropPath: 0,
        answering: { method: "rank", k: 5, maskQuestionPads: true },
      });
      const { interrupted, steps } = await trainMiss(config, {
        device,
        out: OUT,
        bertVocabulary: `${data}/tokenizers/bert-base-uncased-vocab.txt`,
        resume,
        signal: stopping.signal,
        onEvent: (event) => tell(event),
      });
      if (!interrupted) await load(OUT);
      return { interrupted, steps };
    },

    stop: () => stopping?.abort(),
  };
}

async function forget() {
  const storage = await navigator.storage.getDirectory();
  await storage.removeEntry(OUT.slice("opfs:".length), { recursive: true }).catch(() => {});
}
