import { expect, test } from "vitest";
import { beamSearch } from "../../models/miss/beam-search.js";

const [PAD, EOS, DEC] = [0, 1, 2];
const VOCAB = 6;

/** Log-probabilities of the next token after any ids, all 6 ranked: some numbers that sum to a probability of 1. */
function nextOf(ids: readonly number[]): number[] {
  const raw = Array.from(
    { length: VOCAB },
    (_, id) => Math.sin(3 * id + 7 * (ids.at(-1) ?? 0) + ids.length) + (id === EOS ? 0.5 : 0),
  );
  const total = Math.log(raw.reduce((sum, x) => sum + Math.exp(x), 0));
  return raw.map((x) => x - total);
}

/** As many as are asked for: behind those of the vocabulary some that cannot be. */
const candidatesOf = (width: number) => async (rows: readonly (readonly number[])[]) =>
  rows.map((ids) => {
    const logProbs = nextOf(ids);
    const ranked = [...logProbs.keys()].sort((a, b) => logProbs[b] - logProbs[a]);
    const all = Array.from({ length: width }, (_, i) => ranked[i] ?? PAD);
    return { ids: all, logProbs: all.map((id, i) => (i < VOCAB ? logProbs[id] : -1e9)) };
  });

/** The best sequence of all there are, by the same score. */
function best(start: readonly number[], maxLength: number, minLength: number): number[] {
  let found: { ids: number[]; score: number } = { ids: [], score: Number.NEGATIVE_INFINITY };
  const offer = (ids: number[], logProb: number) => {
    if (logProb / ids.length > found.score) found = { ids, score: logProb / ids.length };
  };
  const walk = (ids: number[], logProb: number) => {
    if (ids.length === maxLength) return offer(ids, logProb);
    for (const [id, p] of nextOf(ids).entries())
      if (id !== EOS) walk([...ids, id], logProb + p);
      else if (ids.length >= minLength) offer(ids, logProb + p);
  };
  walk([...start], 0);
  return found.ids;
}

const search = async (start: number[], maxLength: number, minLength: number, width = 3) => {
  const options = { beams: width, maxLength, minLength, start, eos: EOS, pad: PAD };
  const { ids } = await beamSearch(1, options, candidatesOf(2 * width));
  return [...ids[0]];
};

test.each([0, 2, 3])("no answer ends before %i ids; among those that may, the best is found", async (minLength) => {
  // Wider than there are sequences of three tokens: nothing is left out.
  const found = await search([DEC], 4, minLength, 6 ** 3);
  const end = found.indexOf(EOS);
  const ids = end < 0 ? found : found.slice(0, end);
  expect(ids.length).toBeGreaterThanOrEqual(minLength);
  expect(ids).toEqual(best([DEC], 4, minLength));
});

test("what a prompt begins stays, and counts", async () => {
  const start = [DEC, 4, 3];
  const found = await search(start, 5, 4);
  expect(found.slice(0, 3)).toEqual(start);
  expect(found.indexOf(EOS) < 0 || found.indexOf(EOS) >= 4).toBe(true);
  expect(found.length).toBeLessThanOrEqual(5);
});
