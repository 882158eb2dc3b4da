import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import type { Device } from "../../engine/index.js";
import { RunConfig, type RunConfigInput, type TrainEvent, type TrainResult, trainMiss } from "../../models/index.js";
import { bertVocabulary, organSmoke } from "./support.js";

export interface How {
  readonly resume?: boolean;
  readonly checkpointSeconds?: number;
  readonly dataThreads?: number;
  readonly on?: Device;
  readonly change?: Partial<RunConfigInput>;
  /** Sees each event; what it returns true for stops the run. */
  stop?(event: TrainEvent): boolean;
}

/** Runs of MISS on organ-smoke in folders by name, which are removed after the tests of the file. */
export function missRuns(device: () => Device) {
  const folder = mkdtempSync(join(tmpdir(), "consilium-train-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);
  return {
    path,
    async train(name: string, { stop, on, change, ...options }: How = {}): Promise<TrainResult> {
      const stopping = new AbortController();
      return trainMiss(RunConfig.parse({ ...organSmoke, ...change }), {
        device: on ?? device(),
        out: path(name),
        bertVocabulary,
        signal: stopping.signal,
        onEvent: (event) => {
          if (stop?.(event)) stopping.abort();
        },
        ...options,
      });
    },
    /** Weights, optimizer, history, random state, validations: the whole files, byte for byte. */
    sameFiles(a: string, b: string): void {
      for (const file of ["last.safetensors", "model.safetensors"])
        expect(readFileSync(join(path(a), file)).equals(readFileSync(join(path(b), file))), file).toBe(true);
    },
  };
}

/** The event of a step comes while the next one is on its way: a stop at step n - 1 stops after n. */
export const atStep = (step: number) => (event: TrainEvent) => event.type === "step" && event.step === step - 1;
