import type { Binding } from "../../bindings/device.js";
import { decodeF16, encodeF16 } from "../../bindings/half.js";
import { forward as matmul } from "../../kernels/matmul/kernels.js";

/** Over one tile each way, and an edge; the same product so many times that it is worth the matrices. */
export const CHECKED = { B: 50, M: 140, N: 132, K: 52 } as const;
const { B, M, N, K } = CHECKED;

/**
 * The binding, without its subgroup matrices where products by them are not exact: which of them a thread holds is for
 * the driver to say, and some say it wrongly. `description` tells what became of them.
 */
export async function withCheckedMatrices(binding: Binding): Promise<Binding> {
  const fault = await matrixFault(binding).catch((error: Error) => error.message);
  const description = fault
    ? `${binding.description}, subgroup matrices not used: ${fault}`
    : `${binding.description}, subgroup matrices`;
  const limits = binding.limits && { ...binding.limits, matrices: !fault };
  return Object.assign(binding, { description, limits });
}

/** Small whole numbers, whose products and sums f16 holds: any order of summation gives the same. Null where all are right. */
export async function matrixFault(binding: Binding): Promise<string | null> {
  const whole = (length: number, by: number) => Float32Array.from({ length }, (_, i) => ((i * by) % 5) - 2);
  const [a, b] = [whole(M * K, 7), whole(K * N, 11)];
  const memories = [a, b].map((values) => {
    const memory = binding.allocate(values.length, "f16");
    binding.write(memory, encodeF16(values), "f16");
    return memory;
  });
  const y = binding.allocate(B * M * N, "f16");
  try {
    for (const [transposeA, transposeB] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]) {
      const shape = { ...CHECKED, transposeA, transposeB, batchedA: 0, batchedB: 0 };
      const epilogue = { activation: 0, accumulate: 0, hasBias: 0, hasPreactivation: 0 };
      binding.launch(matmul, "f16", [...memories, null, y, null], { ...shape, ...epilogue });
      const got = decodeF16(new Uint16Array(await binding.read(y, 2 * B * M * N, "f16")));
      for (let m = 0; m < M; m++)
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++)
            sum += a[transposeA ? k * M + m : m * K + k] * b[transposeB ? n * K + k : k * N + n];
          for (let i = m * N + n; i < B * M * N; i += M * N)
            if (got[i] !== sum) return `a product had ${got[i]} for ${sum} at row ${m}, column ${n}`;
        }
    }
    return null;
  } finally {
    for (const memory of [...memories, y]) binding.release(memory);
  }
}
