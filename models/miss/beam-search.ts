/**
 * Beam search by the rules of the transformers generation that MISS pins (4.15 to 4.26), on the host: the network only
 * supplies the best next tokens of each live sequence.
 */
export interface BeamOptions {
  beams: number;
  /** Counts the ids of the start. */
  maxLength: number;
  /** No sequence ends before it has so many ids, those of the start included. Default 0. */
  minLength?: number;
  /** What every sequence begins with: the start token, and a prompt where there is one. */
  start: readonly number[];
  eos: number;
  pad: number;
}

/** The 2·beams best next tokens of one sequence: log-probabilities, falling, and their ids. */
export interface Candidates {
  readonly logProbs: ArrayLike<number>;
  readonly ids: ArrayLike<number>;
}

export interface BeamResult {
  /** Start, answer, and the end token where it fits; padded to the longest. */
  readonly ids: Int32Array[];
  /** Sum of log-probabilities / length, with the start token counted and the end token not. */
  readonly scores: number[];
}

interface Hypothesis {
  readonly score: number;
  readonly ids: readonly number[];
}

interface Live {
  readonly ids: readonly number[];
  readonly logProb: number;
}

/** One question's beams. */
class Item {
  live: Live[];
  done = false;
  #kept: Hypothesis[] = [];
  readonly #options: BeamOptions;

  constructor(options: BeamOptions) {
    this.#options = options;
    // All beams start alike: only the first may win the first step.
    this.live = Array.from({ length: options.beams }, (_, i) => ({
      ids: options.start,
      logProb: i === 0 ? 0 : -1e9,
    }));
  }

  get best(): Hypothesis {
    return this.#kept[this.#kept.length - 1];
  }

  #keep(logProb: number, ids: readonly number[]): void {
    this.#kept.push({ score: logProb / ids.length, ids });
    this.#kept.sort((a, b) => a.score - b.score);
    if (this.#kept.length > this.#options.beams) this.#kept.shift();
  }

  advance(candidates: readonly Candidates[]): void {
    const { beams, eos, minLength = 0 } = this.#options;
    const length = this.live[0].ids.length;
    const found = candidates.flatMap((c, beam) =>
      Array.from({ length: 2 * beams }, (_, i) => ({
        beam,
        id: c.ids[i],
        logProb: this.live[beam].logProb + c.logProbs[i],
      })),
    );
    const all = length < minLength ? found.filter(({ id }) => id !== eos) : found;
    // Equal sums go to the lower beam, then the lower id, as in a joint top-k over beams x vocabulary.
    all.sort((a, b) => b.logProb - a.logProb || a.beam - b.beam || a.id - b.id);
    const next: Live[] = [];
    for (let rank = 0; rank < 2 * beams && next.length < beams; rank++) {
      const { beam, id, logProb } = all[rank];
      if (id === eos) {
        if (rank < beams) this.#keep(logProb, this.live[beam].ids);
      } else next.push({ ids: [...this.live[beam].ids, id], logProb });
    }
    this.live = next;
    this.done = this.#kept.length >= beams && this.#kept[0].score >= all[0].logProb / length;
  }

  finish(): void {
    if (!this.done) for (const { ids, logProb } of this.live) this.#keep(logProb, ids);
  }
}

/**
 * Searches for the best answer of each of `count` questions. `next(rows, items)` gives the candidates of each live
 * sequence; rows of item i stand at i · beams. Items that are done keep their rows, so that shapes do not change.
 */
export async function beamSearch(
  count: number,
  options: BeamOptions,
  next: (rows: readonly (readonly number[])[]) => Promise<readonly Candidates[]>,
  signal?: AbortSignal,
): Promise<BeamResult> {
  const { beams, maxLength, eos, pad, start } = options;
  const items = Array.from({ length: count }, () => new Item(options));
  for (let length = start.length; length < maxLength && !items.every((i) => i.done); length++) {
    signal?.throwIfAborted();
    const idle = Array.from({ length }, (_, i) => start[i] ?? pad);
    const rows = items.flatMap((item) => (item.done ? Array(beams).fill(idle) : item.live.map((l) => l.ids)));
    const candidates = await next(rows);
    items.forEach((item, i) => {
      if (!item.done) item.advance(candidates.slice(i * beams, (i + 1) * beams));
    });
  }
  for (const item of items) item.finish();
  const longest = Math.min(Math.max(...items.map((i) => i.best.ids.length)) + 1, maxLength);
  return {
    ids: items.map(({ best }) => {
      const row = new Int32Array(longest).fill(pad);
      row.set(best.ids);
      if (best.ids.length < longest) row[best.ids.length] = eos;
      return row;
    }),
    scores: items.map((i) => i.best.score),
  };
}
