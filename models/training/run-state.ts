/** Where a run stands: one file with everything it needs to go on bit for bit. */
import { z } from "zod";
import { type Device, io, nn, type optim, type Tensor } from "../../engine/index.js";

/** What the state of every run has, besides its tensors. */
export const runState = z.object({
  /** Where its steps were computed. */
  device: z.object({
    /** As `openDevice` takes it. */
    name: z.string(),
    /** Instruction set or adapter. */
    target: z.string(),
  }),
  /** Steps done. */
  step: z.int(),
  /** Epochs done. */
  epoch: z.int(),
  /** Rows of this epoch that were used. */
  position: z.int(),
  /** The device's stream. */
  random: z.object({
    /** What `seed` was given. */
    seed: z.number(),
    /** Random ops so far. */
    sequence: z.int(),
  }),
  /** Whether there is nothing left to do. */
  finished: z.boolean(),
});
export type RunState = z.infer<typeof runState>;

/** Of a run before its first step, on a device that has its seed. */
export const firstState = (device: Device): RunState => ({
  device: { name: device.name, target: device.target },
  ...{ step: 0, epoch: 0, position: 0 },
  random: device.randomState,
  finished: false,
});

/** What a run's steps gave, by name: a number for each, or as many for each. */
export type Histories = Readonly<Record<string, readonly number[]>>;

/** Whose tensors are saved, each group under its name. */
export interface Trained {
  /** Of the model: all of them, or those that a step changes. */
  readonly parameters: Iterable<readonly [string, Tensor]>;
  readonly optimizer: Pick<optim.Optimizer, "state" | "slot" | "steps">;
  readonly scaler: optim.GradScaler | null;
}

export const stateFile = (folder: string) => `${folder}/last.safetensors`;
/** The weights of the best validation, where a run is to keep them beside its last ones. */
export const bestFile = (folder: string) => `${folder}/best.safetensors`;

/** The values of parameters alone, for `restoreParameters`. Replaced atomically. */
export const saveParameters = (file: string, parameters: Trained["parameters"]): Promise<void> =>
  io.writeSafetensors(
    file,
    Array.from(parameters, ([name, p]) => io.writableTensor(`model.${name}`, p, "F32")),
  );

/** Replaced atomically. */
export async function saveState(
  folder: string,
  state: object,
  { parameters, optimizer, scaler }: Trained,
  histories: Histories,
): Promise<void> {
  const tensors: io.WritableTensor[] = [];
  for (const [name, p] of parameters) tensors.push(io.writableTensor(`model.${name}`, p, "F32"));
  for (const [name, t] of optimizer.state()) tensors.push(io.writableTensor(`optimizer.${name}`, t, "F32"));
  for (const [name, t] of scaler?.state() ?? []) tensors.push(io.writableTensor(`scaler.${name}`, t, "F32"));
  for (const [name, values] of Object.entries(histories))
    tensors.push(io.writable(`history.${name}`, [values.length], Float64Array.from(values), "F64"));
  await io.writeSafetensors(stateFile(folder), tensors, { metadata: { state: JSON.stringify(state) } });
}

/** The saved state of a run. */
export interface Saved<State> {
  /** Where it stands. */
  readonly state: State;
  /** Its tensors; close it. */
  readonly reader: io.CheckpointReader;
}

/** The state of a run's folder. Tensors are read by `restoreState` once the network exists. */
export async function openStateOf<State>(folder: string, schema: z.ZodType<State>): Promise<Saved<State>> {
  const file = stateFile(folder);
  const reader = await io.openCheckpoint(file);
  try {
    const text = reader.metadata.state;
    if (text === undefined)
      throw new io.FileFormatError(
        file,
        "it holds no training state",
        "Resume from the folder that a training run wrote",
      );
    return { state: io.parseWith(schema, io.parseJson(text, file), file), reader };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** Writes the saved values back; gives the history of each of `names`. Throws where a tensor is missing or of another shape. */
export async function restoreState<Name extends string>(
  { state, reader }: Saved<RunState>,
  device: Device,
  { parameters, optimizer, scaler }: Trained,
  names: readonly Name[],
): Promise<Record<Name, number[]>> {
  await restoreParameters(reader, [...parameters]);
  for (const [name, t] of reader.names.map((n) => [n, reader.get(n)] as const)) {
    const [, group, slot] = /^(optimizer|scaler)\.(.*)$/.exec(name) ?? [];
    if (group) (group === "scaler" ? scaler : optimizer)?.slot(slot)?.write(await io.readFloat32(t));
  }
  optimizer.steps = state.step;
  device.restoreRandom(state.random);
  const histories = {} as Record<Name, number[]>;
  for (const name of names) {
    const bytes = await reader.get(`history.${name}`).read();
    histories[name] = Array.from(new Float64Array(new Uint8Array(bytes).buffer));
  }
  return histories;
}

/** Writes the saved values of the model back. Throws where one is missing or of another shape, before the first. */
export async function restoreParameters(
  reader: io.CheckpointReader,
  parameters: readonly (readonly [string, Tensor])[],
): Promise<void> {
  const own = reader.names.filter((name) => name.startsWith("model."));
  const shapes = new Map(own.map((name) => [name.slice("model.".length), reader.get(name)]));
  nn.checkParameters(parameters, shapes, reader.file);
  for (const [name, p] of parameters) p.write(await io.readFloat32(reader.get(`model.${name}`)));
}

/** What a resumed run has to be told where other arithmetic goes on: null on the same device and instruction set. */
export function otherArithmetic({ device: saved }: RunState, device: Device, file: string): string | null {
  if (saved.name === device.name && saved.target === device.target) return null;
  return (
    `${file} was computed on ${saved.name} (${saved.target}), this is ${device.name} (${device.target}): ` +
    `the run goes on, but its bits are not those of an uninterrupted one. Use --device ${saved.name} on the same machine for these.`
  );
}

/** A run is resumed with the config it was started with. */
export function sameConfig(saved: object, given: object, file: string): void {
  const [a, b] = [saved as Record<string, unknown>, given as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const different = keys.filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));
  if (different.length)
    throw new io.FileFormatError(
      file,
      `it was written by a run with other settings: ${different.map((k) => `${k} ${JSON.stringify(a[k])}, now ${JSON.stringify(b[k])}`).join("; ")}`,
      "Resume with the same settings, or choose another --out",
    );
}
