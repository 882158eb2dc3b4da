import { wilson } from "../../../models/index.js";
import type { Bar, BarGroup, StageData } from "../../report/data.js";
import { metricsOf } from "../eval/evaluation.js";
import { bytes, clock, count, percent, short } from "../terminal/format.js";
import type { ControlResult, MedMoeDemoResult, MedMoeStageResult } from "./med-moe.js";

const ABOUT =
  "A vision tower like CLIP's (3 of its 4 blocks are used), a projector and a language model in StableLM-2's form, all random at first: nothing that Med-MoE " +
  "starts from could be downloaded, so stage align, which trains the projector alone as published, also trains tower and language " +
  "model here, on each training question and its answer as the caption of its image. Instruct tunes language model and projector; the router " +
  "learns the part of the body from the model's mean state; MoE tuning replaces every second MLP by three experts, one for each part of the body, and a " +
  "meta expert. All parts are by image: the test asks about images that no stage has seen, with the questions of VQA-RAD's training " +
  "and test sets about them. The control goes on with stage instruct, which trains more of the dense model than MoE tuning does, for as many steps on the same conversations. " +
  "Images are cut to squares in all stages, where the published code pads them in two.";

/** The small Med-MoE as the report shows it. */
export function medMoeSection(result: MedMoeDemoResult): StageData {
  const { stages, shares, counts, controls } = result;
  const router = stages.find(({ name }) => name === "router")?.training.router;
  const steps = stages.reduce((sum, { training }) => sum + training.steps, 0);
  return {
    id: "med-moe",
    title: "Med-MoE from scratch: align, instruct, router, mixture of experts",
    about: ABOUT,
    facts: [
      { name: "parameters stored", value: count(counts.stored) },
      { name: "activated by a token, in the language model", value: count(counts.activated) },
      { name: "training questions", value: count(result.train) },
      { name: "test questions", value: `${count(result.test)} on ${count(result.testImages)} images` },
      ...(router?.validation ? [{ name: "router right on held-back images", value: share(router.validation) }] : []),
      { name: "steps, all stages", value: count(steps) },
      { name: "training and test took", value: clock(result.seconds) },
      { name: "largest memory on the device", value: bytes(result.peakBytes) },
    ],
    leak: null,
    history: null,
    groups: accuracyGroups(result),
    comparison: controls.map(compared).join(" "),
    experts: {
      title: "Share of tokens that each expert gets, by mixture and part of the body",
      about:
        "Tokens of the test questions and of their images, each image weighing the same. p: chance that parts of the body dealt to the " +
        "images at random would differ as much in their shares (permutation test over images, 9,999 permutations). The same router stands in every mixture.",
      groups: shares.map(({ layer, all, groups, pValue }) => ({
        label: `layer ${layer}`,
        note: `p = ${short(pValue)}`,
        rows: [
          { label: "all images", shares: all },
          ...groups.map(({ name, images, shares: own }) => ({
            label: `${name.toLowerCase()} (${images})`,
            shares: own,
          })),
        ],
      })),
    },
    losses: stages.map(({ label, training }) => ({ title: `Training loss: ${label}`, values: training.history.loss })),
    gallery: [],
  };
}

const KINDS = { global: "All questions", closed: "Yes or no", opened: "All others" } as const;

function accuracyGroups({ stages, majority }: MedMoeDemoResult): BarGroup[] {
  return (["global", "closed", "opened"] as const).map((part) => {
    const bars = stages.flatMap(({ name, label, scores }): Bar[] => {
      if (!scores) return [];
      const { accuracy, interval } = scores.published[part];
      return [{ label, kind: name === "moe" ? "model" : "baseline", share: accuracy, ...interval }];
    });
    const { answer, accuracy } = majority[part];
    const { correct, total } = accuracy;
    bars.push({ label: `always "${answer}"`, kind: "baseline", share: accuracy.accuracy, ...wilson(correct, total) });
    return { label: KINDS[part], total, bars };
  });
}

const share = ({ correct, total }: { correct: number; total: number }) =>
  `${percent(correct / total)} (${count(correct)} of ${count(total)})`;

const accuracyOf = ({ scores }: MedMoeStageResult) => scores?.published.global.accuracy ?? Number.NaN;

/** One seed's comparison, in words. */
export function compared({ seed, moe, dense, paired }: ControlResult): string {
  const points = (x: number) => percent(x).replace(" %", "");
  return (
    `Seed ${seed}: mixtures ${percent(accuracyOf(moe))}, dense control ${percent(accuracyOf(dense))}; difference ` +
    `${points(paired.difference)} points (95 % interval ${points(paired.interval.low)} to ${points(paired.interval.high)}; ` +
    `McNemar's exact test p = ${short(paired.pValue)}).`
  );
}

/** The same as the JSON document of the demo has it. */
export function medMoeDocument({ stages, controls, shares, counts, ...result }: MedMoeDemoResult) {
  const stage = ({ name, training, scores }: MedMoeStageResult) => ({
    name,
    metrics: scores && metricsOf(scores),
    parameters: training.parameters,
    steps: training.steps,
    router: training.router ?? null,
    mixtures: training.mixtures,
    history: training.history,
    config: training.config,
  });
  return {
    seconds: result.seconds,
    peakBytes: result.peakBytes,
    peakRss: result.peakRss,
    questions: { train: result.train, test: result.test, testImages: result.testImages },
    parameters: counts,
    stages: stages.map(stage),
    controls: controls.map(({ seed, moe, dense, paired }) => ({ seed, moe: stage(moe), dense: stage(dense), paired })),
    expertShares: shares,
    baselines: { majority: result.majority },
  };
}
