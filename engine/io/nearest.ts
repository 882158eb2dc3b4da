/**
 * Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other (optimal string
 * alignment), or `limit + 1` as soon as that is known to be more than `limit`.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(substituted, previous[j] + 1, row[j - 1] + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforePrevious[j - 2] + 1);
    }
    // A swap skips a row, so both must be beyond the limit.
    if (Math.min(...row) > limit && Math.min(...previous) > limit) return limit + 1;
    beforePrevious = previous;
    previous = row;
  }
  return Math.min(previous[b.length], limit + 1);
}

/** The candidate that was probably meant, or null when none is within a third of the word's length. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let limit = Math.max(1, Math.floor(word.length / 3));
  let found: string | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate, limit);
    if (distance > limit) continue;
    if (distance === 0) return candidate;
    found = candidate;
    limit = distance - 1;
  }
  return found;
}

/** `Did you mean "x"? ` or nothing: the start of an error's advice. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates);
  return found === null ? "" : `Did you mean "${found}"? `;
}
