/**
 * Rows by expert from `chosen` [T, K], what a host has once it has read the choice back: `rows[e]` the tokens of expert e,
 * `most` of them at an expert, and `place[e * most + i]` padded to as many; `back[t * K + k]` is where the row of a choice is in
 * the experts' rows one after the other, `paddedBack` where each has `most`.
 */
export function rowsByExpert({ shape: [T, K], values }, E) {
  const rows = Array.from({ length: E }, () => []);
  const at = new Int32Array(T * K);
  for (let i = 0; i < T * K; i++) at[i] = rows[values[i]].push(Math.floor(i / K)) - 1;
  const most = Math.max(...rows.map((own) => own.length));
  const first = [];
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
