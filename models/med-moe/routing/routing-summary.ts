import { type RoutingRecord, type TokenKind, tokenKinds } from "./routing-record.js";

/** What tokens stand for, in the order of the numbers. */
export const TOKEN_KINDS = ["image", "text", "answer"] as const satisfies readonly TokenKind[];

/** The way of tokens through all mixtures, by their first choices. */
export interface RoutingPath {
  /** An expert for each mixture. */
  readonly experts: readonly number[];
  /** Tokens that went it, by kind. */
  readonly tokens: Readonly<Record<TokenKind, number>>;
}

/** How the tokens of many questions were routed. */
export interface RoutingSummary {
  /** How many were recorded. */
  readonly questions: number;
  /** Tokens by kind. */
  readonly tokens: Readonly<Record<TokenKind, number>>;
  /** Which layers of the model are mixtures. */
  readonly layers: readonly number[];
  /** Experts of each of them. */
  readonly experts: readonly number[];
  /** [mixtures][experts]: choices by kind, each choice of a token counted. */
  readonly load: readonly (readonly Readonly<Record<TokenKind, number>>[])[];
  /** Every path that was gone, the most frequent first; equals in the order of their experts. */
  readonly paths: readonly RoutingPath[];
}

/** Counts the records of one model, as `parseRouting` gives them. */
export function summarizeRouting(records: readonly RoutingRecord[]): RoutingSummary {
  const [{ layers, experts, top_k: K }] = records;
  const none = () => ({ image: 0, text: 0, answer: 0 });
  const tokens = none();
  const load = experts.map((count) => Array.from({ length: count }, none));
  const paths = new Map<string, { experts: number[]; tokens: Record<TokenKind, number> }>();
  for (const record of records)
    for (const [t, kind] of tokenKinds(record).entries()) {
      tokens[kind]++;
      for (const [i, choices] of record.choices.entries())
        for (let k = 0; k < K; k++) load[i][choices[t * K + k]][kind]++;
      const way = record.choices.map((choices) => choices[t * K]);
      const path = paths.get(`${way}`) ?? { experts: way, tokens: none() };
      path.tokens[kind]++;
      paths.set(`${way}`, path);
    }
  const compare = (a: RoutingPath, b: RoutingPath) =>
    totalTokens(b.tokens) - totalTokens(a.tokens) ||
    a.experts.map((e, i) => e - b.experts[i]).find((difference) => difference !== 0) ||
    0;
  return { questions: records.length, tokens, layers, experts, load, paths: [...paths.values()].sort(compare) };
}

/** Of all kinds. */
export const totalTokens = (tokens: Readonly<Record<TokenKind, number>>) => tokens.image + tokens.text + tokens.answer;
