// What WebGPU refused: work that was left out costs nothing, and must not look fast. The same under Node and in a page.

const faults = [];

/** Listens to every device that is opened from now on; once, before any library opens its own. */
export function watchDevices() {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    device.addEventListener("uncapturederror", ({ error }) => faults.push(firstLine(error)));
    return device;
  };
}

/** The result of `work`; throws the first of what was refused meanwhile. */
export async function checked(work) {
  faults.length = 0;
  const result = await work();
  if (faults.length > 0) throw new Error(faults[0]);
  return result;
}

export const firstLine = (error) => String(error?.message ?? error).split("\n")[0];
