/** A page that multiplies two matrices and does nothing else. */
import { matmul, openDevice, tensor } from "consilium";

async function run() {
  const device = await openDevice("webgpu");
  const a = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    { device },
  );
  const b = tensor(
    [
      [1, 0],
      [0, 1],
      [1, 1],
    ],
    { device },
  );
  const values = [...(await matmul(a, b).data())];
  const { description } = device;
  device.close();
  return { values, description };
}

Object.assign(globalThis, { result: run() });
