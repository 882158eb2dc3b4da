/** One golden tensor against what was computed. */
export interface Row {
  /** Where it belongs. */
  readonly scenario: string;
  /** Its name. */
  readonly tensor: string;
  /** Largest |difference|, divided by what the tolerance is relative to; the count of wrong ids for integers. */
  readonly error: number;
  /** What `error` may be. */
  readonly tolerance: number;
  /** Values that were compared. */
  readonly elements: number;
  /** Values that were left out because rounding noise decides them; null where none may be. */
  readonly masked: number | null;
  /** error <= tolerance. */
  readonly passed: boolean;
}

export interface Golden {
  readonly values: ArrayLike<number>;
  readonly integer: boolean;
}

/** Whether an element is compared; else it is masked. */
export type Counts = (i: number) => boolean;

/** Collects comparisons of one scenario and knows which golden tensors nobody asked for. */
export class Comparison {
  readonly rows: Row[] = [];
  /** Where its tensors belong. */
  readonly scenario: string;
  readonly #expected: ReadonlyMap<string, Golden>;
  readonly #seen = new Set<string>();

  constructor(scenario: string, expected: ReadonlyMap<string, Golden>) {
    this.scenario = scenario;
    this.#expected = expected;
  }

  has(tensor: string): boolean {
    return this.#expected.has(tensor);
  }

  /** The golden values; null where there are none. */
  values(tensor: string): ArrayLike<number> | null {
    return this.#expected.get(tensor)?.values ?? null;
  }

  /** Golden tensors that were not compared. */
  get missed(): string[] {
    return [...this.#expected.keys()].filter((n) => !this.#seen.has(n));
  }

  /** |difference| <= tolerance · max(1, largest reference magnitude), over the elements that `counts` says. */
  forward(tensor: string, got: ArrayLike<number>, tolerance: number, counts?: Counts): void {
    this.#compare(tensor, got, tolerance, (largest) => Math.max(1, largest), counts);
  }

  /** |difference| <= tolerance · largest reference magnitude. */
  gradient(tensor: string, got: ArrayLike<number>, tolerance: number): void {
    this.#compare(tensor, got, tolerance, (largest) => Math.max(largest, 1e-12));
  }

  /** |difference| <= tolerance, over the elements that `counts` says. */
  absolute(tensor: string, got: ArrayLike<number>, tolerance: number, counts: Counts): void {
    this.#compare(tensor, got, tolerance, () => 1, counts);
  }

  /** Every id equal. */
  ids(tensor: string, got: ArrayLike<number>): void {
    const expected = this.#take(tensor);
    if (!expected) return;
    let wrong = Math.abs(expected.length - got.length);
    for (let i = 0; i < expected.length; i++) if (expected[i] !== got[i]) wrong++;
    this.#add(tensor, wrong, 0, expected.length, null);
  }

  /** |difference| <= tolerance · scale. */
  scaled(tensor: string, got: ArrayLike<number>, tolerance: number, scale: number): void {
    this.#compare(tensor, got, tolerance, () => scale);
  }

  #compare(
    tensor: string,
    got: ArrayLike<number>,
    tolerance: number,
    scaleOf: (largest: number) => number,
    counts: Counts | null = null,
  ): void {
    const expected = this.#take(tensor);
    if (!expected) return;
    let largest = 0;
    let worst = got.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
    let compared = 0;
    for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
    for (let i = 0; i < expected.length; i++) {
      if (counts && !counts(i)) continue;
      compared++;
      const difference = Math.abs(got[i] - expected[i]);
      if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    }
    const masked = counts && expected.length - compared;
    this.#add(tensor, worst / scaleOf(largest), tolerance, compared, masked);
  }

  #take(tensor: string): ArrayLike<number> | null {
    const golden = this.#expected.get(tensor);
    if (!golden) return null;
    this.#seen.add(tensor);
    return golden.values;
  }

  #add(tensor: string, error: number, tolerance: number, elements: number, masked: number | null): void {
    const passed = error <= tolerance;
    this.rows.push({ scenario: this.scenario, tensor, error, tolerance, elements, masked, passed });
  }
}
