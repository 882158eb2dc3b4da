import { nn, openDevice } from "../../engine/index.js";
import { countParameters, type ParameterCounts, trainablePercent } from "../peft/trainable.js";
import { type Adaptation, adapt } from "./adaptation.js";
import { checkConfig, type MissConfig } from "./config.js";
import { MissNetwork } from "./network.js";

/** Values of a model, and how many of them tuning changes. */
export interface TunedCounts extends ParameterCounts {
  /** 100 · trainable / total, adapters counted in both: the #Params column of MILE's tables. */
  readonly percent: number;
}

/**
 * Counts the parameters of a model that is tuned so, without its weights: no memory is taken for any. Throws OptionError where sizes, or
 * method and sizes, do not go together.
 */
export async function countTuned(config: MissConfig, adaptation: Adaptation): Promise<TunedCounts> {
  checkConfig(config);
  using device = await openDevice("reference");
  const init = new nn.Initializer(device, 0, { empty: true });
  using network = new MissNetwork(init, config);
  adapt(network, init, adaptation);
  const counts = countParameters(network);
  return { ...counts, percent: trainablePercent(counts) };
}
