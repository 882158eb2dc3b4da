/** WebGPU's entry point, or why there is none: a page hides it where it is not served securely. */
export async function gpu(): Promise<GPU> {
  const found = (navigator as { gpu?: GPU }).gpu;
  if (found) return found;
  if (!globalThis.isSecureContext)
    throw new Error(
      `webgpu: browsers offer WebGPU to secure pages only, and ${location.origin} is not one. Serve it over https, or from localhost.`,
    );
  const where =
    typeof document === "undefined" ? "in workers (a page may have it: open the device there)" : "switched on";
  throw new Error(
    `webgpu: this browser has no WebGPU ${where}. Chrome and Edge 113 or later have it, Safari 26, Firefox 141.`,
  );
}
