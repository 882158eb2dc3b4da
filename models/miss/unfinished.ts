import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { hasRunFile } from "../training/run-file.js";
import { stateFile } from "../training/run-state.js";
import { readPretrainRun } from "./pretrain/run-state.js";

/** Throws FileFormatError for the folder of a run that was stopped before it left a model, with how to go on. */
export async function refuseUnfinished(folder: string): Promise<void> {
  if (await platform.exists(`${folder}/model.safetensors`)) return;
  if (!(await platform.exists(stateFile(folder))) && !(await hasRunFile(folder))) return;
  const verb = (await readPretrainRun(folder)) ? "pretrain" : "train";
  throw new io.FileFormatError(
    folder,
    "its training is not finished: there is no model.safetensors yet",
    `Go on with: npx consilium ${verb} miss --out ${folder} --resume`,
  );
}
