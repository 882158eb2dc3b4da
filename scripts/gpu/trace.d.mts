/** Of a captured training step. Times are in microseconds, of one replay. */
export interface Trace {
  device: string;
  /** Of graphs: a replay each. */
  launches: number;
  /** Of a step. */
  kernels: number;
  spanUs: number;
  gapsShare: number;
  /** The lowest and the highest. */
  gapsShareOfRounds: [number, number];
  gapsShareAtLeast: number;
  hostWaits: string[];
  measured: { timedUs: number; emptyUs: number; eventsUs: number; emptyStepUs: number };
}
export function summaryOf(
  callsCsv: string,
  found: {
    device: string;
    replays: number;
    kernels: number;
    from: number;
    to: number;
    rounds: { spanUs: number; timedUs: number; emptyUs: number; emptyStepUs: number }[];
  },
): Trace;
export function trace(...options: string[]): Promise<Trace>;
