import { presets, RunConfig, type RunConfigInput } from "../../../models/index.js";

/** A setting of the demo that is not the published one, and why. */
export type Departure = readonly [setting: string, why: string];

type Values = Readonly<Record<string, unknown>>;

/** What the published code runs: its configuration for SLAKE, of which that for VQA-RAD differs in lr and epochs. */
const published = valuesOf({ preset: "base", data: { set: "slake", folder: "" }, epochs: 130 });

/** Every setting of a run and every size of its model, by key. The data are none: they are what a stage is about. */
function valuesOf(input: RunConfigInput): Values {
  const { data: _, ...run } = RunConfig.parse(input);
  // With the reduced vocabulary, the number of pieces is found in the training texts.
  const { vocab: _vocab, ...sizes } = presets[run.preset];
  return Object.fromEntries(Object.entries({ ...sizes, ...run }).flatMap(([key, value]) => leaves(key, value)));
}

function leaves(key: string, value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null) return [[key, value]];
  return Object.entries(value).flatMap(([inner, of]) => leaves(`${key}.${inner}`, of));
}

/** The keys in which some of these runs are not as published. */
export function changedKeys(runs: readonly RunConfigInput[]): string[] {
  const all = runs.map(valuesOf);
  const keys = [...new Set([...Object.keys(published), ...all.flatMap((values) => Object.keys(values))])];
  return keys.filter((key) => all.some((values) => values[key] !== published[key]));
}

/** The settings in which some of these runs are not as published, under the reason that covers them. */
export function departuresOf(
  runs: readonly RunConfigInput[],
  reasons: readonly (readonly [keys: readonly string[], why: string])[],
): Departure[] {
  const all = runs.map(valuesOf);
  const changed = new Set(changedKeys(runs));
  const reasonOf = (key: string) => reasons.find(([keys]) => keys.includes(key));
  const unexplained = [...changed].filter((key) => !reasonOf(key));
  const named = (key: string) => {
    const values = [...new Set(all.map((values) => text(values[key])))].join(" and ");
    return `${key}: ${values} (published: ${text(published[key])})`;
  };
  return [
    ...reasons
      .map(
        ([keys, why]): Departure => [
          keys
            .filter((key) => changed.has(key))
            .map(named)
            .join(", "),
          why,
        ],
      )
      .filter(([setting]) => setting !== ""),
    ...unexplained.map((key): Departure => [named(key), ""]),
  ];
}

const text = (value: unknown) => (value === undefined ? "none" : String(value));
