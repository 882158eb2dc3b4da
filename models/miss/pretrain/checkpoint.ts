import { io, type Tensor } from "../../../engine/index.js";
import { type LoadOptions, type LoadReport, loadParameters } from "../load-parameters.js";
import { isExtra, POSITION_IDS, positionIds, TIED } from "../names.js";
import type { PretrainNetwork } from "./network.js";
import { overwrite } from "./overwrite.js";

const POINTER = "queue_ptr";
const DECODER = "text_decoder.bert";

/** Second names of what the decoder shares with the JTM and with its own head, in the order in which PyTorch copies them. */
export function tiedNames(network: PretrainNetwork): (readonly [string, string])[] {
  const own = new Map([...network.namedParameters()].map(([name, p]) => [p, name]));
  const trunk = [...network.text_decoder.bert.namedParameters(DECODER)].flatMap(([name, p]): [string, string][] => {
    const first = own.get(p) as string;
    return first === name ? [] : [[name, first]];
  });
  const firstOf = new Map(trunk);
  return [...trunk, ...TIED.map(([name, first]) => [name, firstOf.get(first) ?? first] as const)];
}

/**
 * Loads a pre-training checkpoint, or one of a model without momentum copies and queues: the copies then begin as what they
 * follow, the queues as noise.
 */
export async function loadPretrainNetwork(
  network: PretrainNetwork,
  reader: io.CheckpointReader,
  options?: LoadOptions,
): Promise<LoadReport> {
  const all = new Map<string, Tensor>(network.namedParameters());
  const isPretrained = reader.names.some((name) => /_m\./.test(name));
  const parameters = isPretrained ? all : new Map([...all].filter(([name]) => !/_m\.|_queue$/.test(name)));
  const report = await loadParameters(parameters, reader, { tied: tiedNames(network), isExtra }, options);
  if (!isPretrained) for (const [slow, fast] of network.followers()) overwrite(slow, fast);
  const [, queue] = network.image_queue.shape;
  const pointer = reader.has(POINTER) ? (await io.readInt32(reader.get(POINTER)))[0] : 0;
  network.queuePointer = pointer >= 0 && pointer < queue ? pointer : 0;
  return report;
}

/** The tensors of a pre-training checkpoint as PyTorch's state dict has them, all names of what is shared included. */
export function* pretrainStateDict(network: PretrainNetwork): Generator<io.WritableTensor> {
  const parameters = new Map(network.namedParameters());
  for (const [name, p] of parameters) yield io.writableTensor(name, p, "F32");
  for (const [second, first] of tiedNames(network))
    yield io.writableTensor(second, parameters.get(first) as Tensor, "F32");
  yield io.writable(POINTER, [1], Float64Array.of(network.queuePointer), "I64");
  yield* positionIds(network.config.maxPositions, [...POSITION_IDS, "text_encoder_m.embeddings.position_ids"]);
}
