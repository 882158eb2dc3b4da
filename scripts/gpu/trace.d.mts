export function summaryOf(
  apiCsv: string,
  gpuCsv: string,
): { launches: number; kernels: number; spanUs: number; gapsShare: number; hostWaits: string[] };
