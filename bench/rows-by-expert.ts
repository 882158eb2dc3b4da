import type { HostTensor } from "./task.js";

export interface RowsByExpert {
  /** Tokens of each expert. */
  readonly rows: readonly Int32Array[];
  /** Of the expert that has most. */
  readonly most: number;
  /** Tokens of the experts one after the other, each with `most`, what is missing filled with token 0. */
  readonly padded: Int32Array;
  /** Where the row of choice t K + k is, among `rows` one after the other and among `padded`. */
  readonly back: Int32Array;
  readonly paddedBack: Int32Array;
}

/** Which rows go to which expert, for libraries where the host must say it: from `chosen` [T, K], the choice of each token. */
export function rowsByExpert({ shape: [T, K], values }: HostTensor, E: number): RowsByExpert {
  const rows = Array.from({ length: E }, () => [] as number[]);
  const at = new Int32Array(T * K);
  for (let i = 0; i < T * K; i++) at[i] = rows[values[i]].push(Math.floor(i / K)) - 1;
  const most = Math.max(...rows.map((own) => own.length));
  const first: number[] = [];
  for (let e = 0, sum = 0; e < E; sum += rows[e++].length) first.push(sum);
  const padded = new Int32Array(E * most);
  for (const [e, own] of rows.entries()) padded.set(own, e * most);
  return {
    rows: rows.map((own) => Int32Array.from(own)),
    most,
    padded,
    back: at.map((i, choice) => first[values[choice]] + i),
    paddedBack: at.map((i, choice) => values[choice] * most + i),
  };
}
