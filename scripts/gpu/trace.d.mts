/** What is traced: a step on its device. Times are in microseconds, of one replayed step. */
export interface Trace {
  device: string;
  /** Of graphs: a replay each. */
  launches: number;
  /** Of a step. */
  kernels: number;
  spanUs: number;
  gapsShare: number;
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
    spanUs: number;
    timedUs: number;
    emptyUs: number;
    emptyStepUs: number;
    from: number;
    to: number;
  },
): Trace;
export function trace(...options: string[]): Promise<Trace>;
