import { z } from "zod";
import { type Device, io, type optim } from "../../engine/index.js";

import { writable } from "./checkpoint.js";
import type { MissNetwork } from "./network.js";
import { RunConfig } from "./run-config.js";

const validationSchema = z.object({
  /** Steps done. */
  step: z.int(),
  /** Epochs done. */
  epoch: z.int(),
  /** Share of right answers. */
  accuracy: z.number(),
  /** Mean loss. */
  loss: z.number(),
});
/** A measurement on held-back images. */
export type Validation = z.infer<typeof validationSchema>;

const stateSchema = z.object({
  /** Of the file's layout. */
  version: z.literal(3),
  /** The settings that it was started with. */
  config: RunConfig,
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
  /** Questions of this epoch that were used. */
  position: z.int(),
  /** The device's stream. */
  random: z.object({
    /** What `seed` was given. */
    seed: z.number(),
    /** Random ops so far. */
    sequence: z.int(),
  }),
  /** That of the chosen weights. */
  best: validationSchema.nullable(),
  /** In order. */
  validations: z.array(validationSchema),
  /** Whether there is nothing left to do. */
  finished: z.boolean(),
});
/** Where a run stands, besides its tensors. */
export type State = z.infer<typeof stateSchema>;

/** Losses and learning rates of the steps so far. */
export interface History {
  /** Mean loss of each step. */
  loss: number[];
  /** Learning rate of each step. */
  lr: number[];
}

/** Whose tensors are saved, each group under its name. */
interface Trained {
  readonly network: MissNetwork;
  readonly optimizer: optim.Optimizer;
  readonly scaler: optim.GradScaler | null;
}

export const stateFile = (folder: string) => `${folder}/last.safetensors`;

/** One file with everything a run needs to go on bit for bit; replaced atomically. */
export async function saveState(
  folder: string,
  state: State,
  { network, optimizer, scaler }: Trained,
  history: History,
): Promise<void> {
  const tensors: io.WritableTensor[] = [];
  for (const [name, p] of network.namedParameters()) tensors.push(writable(`model.${name}`, p));
  for (const [name, t] of optimizer.state()) tensors.push(writable(`optimizer.${name}`, t));
  for (const [name, t] of scaler?.state() ?? []) tensors.push(writable(`scaler.${name}`, t));
  for (const key of ["loss", "lr"] as const)
    tensors.push(io.writable(`history.${key}`, [history[key].length], Float64Array.from(history[key]), "F64"));
  await io.writeSafetensors(stateFile(folder), tensors, { metadata: { state: JSON.stringify(state) } });
}

/** The saved state of a run. */
export interface SavedState {
  /** Where it stands. */
  readonly state: State;
  /** Its tensors; close it. */
  readonly reader: io.CheckpointReader;
}

/** The state of a run's folder. Tensors are read by `restoreState` once the network exists. */
export async function openState(folder: string): Promise<SavedState> {
  const file = stateFile(folder);
  const reader = await io.openCheckpoint(file);
  const text = reader.metadata.state;
  if (text === undefined) {
    await reader.close();
    throw new io.FileFormatError(
      file,
      "it holds no training state",
      "Resume from the folder that a training run wrote",
    );
  }
  return { state: io.parseWith(stateSchema, io.parseJson(text, file), file), reader };
}

export async function restoreState(
  { state, reader }: SavedState,
  device: Device,
  { network, optimizer, scaler }: Trained,
): Promise<History> {
  const stored = new Map(reader.names.map((n) => [n, reader.get(n)]));
  const shapes = new Map([...stored].flatMap(([n, t]) => (n.startsWith("model.") ? [[n.slice(6), t] as const] : [])));
  network.checkState(shapes, reader.file);
  for (const [name, p] of network.namedParameters()) p.write(await io.readFloat32(reader.get(`model.${name}`)));
  for (const [name, t] of stored) {
    const [, group, slot] = /^(optimizer|scaler)\.(.*)$/.exec(name) ?? [];
    if (group) (group === "scaler" ? scaler : optimizer)?.slot(slot)?.write(await io.readFloat32(t));
  }
  optimizer.steps = state.step;
  device.restoreRandom(state.random);
  const numbers = async (key: string) => {
    const bytes = await reader.get(`history.${key}`).read();
    return Array.from(new Float64Array(new Uint8Array(bytes).buffer));
  };
  return { loss: await numbers("loss"), lr: await numbers("lr") };
}

/** What a resumed run has to be told where other arithmetic goes on: null on the same device and instruction set. */
export function otherArithmetic({ device: saved }: State, device: Device, file: string): string | null {
  if (saved.name === device.name && saved.target === device.target) return null;
  return (
    `${file} was computed on ${saved.name} (${saved.target}), this is ${device.name} (${device.target}): ` +
    `the run goes on, but its bits are not those of an uninterrupted one. Use --device ${saved.name} on the same machine for these.`
  );
}

/** A run is resumed with the config it was started with. */
export function sameConfig(saved: RunConfig, given: RunConfig, file: string): void {
  const a = saved as unknown as Record<string, unknown>;
  const b = given as unknown as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const different = keys.filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));
  if (different.length)
    throw new io.FileFormatError(
      file,
      `it was written by a run with other settings: ${different.map((k) => `${k} ${JSON.stringify(a[k])}, now ${JSON.stringify(b[k])}`).join("; ")}`,
      "Resume with the same settings, or choose another --out",
    );
}
