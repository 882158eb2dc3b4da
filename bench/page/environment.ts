import type { Device } from "../../engine/index.js";
import type { Environment } from "../document.js";

/** Set where the site is built. */
declare const CONSILIUM_VERSION: string;

/** What a page can tell of where it runs: no chip, no load, memory in steps of powers of two. */
export function pageEnvironment(device: Device): Environment {
  const { userAgent, hardwareConcurrency, deviceMemory = 0 } = navigator as Navigator & { deviceMemory?: number };
  return {
    date: new Date().toISOString(),
    command: "consilium bench --page",
    version: CONSILIUM_VERSION,
    commit: null,
    chip: "",
    cores: hardwareConcurrency,
    affinity: null,
    threads: 1,
    memoryBytes: deviceMemory * 2 ** 30,
    node: "",
    os: userAgent,
    flags: {},
    load: { before: [], after: [] },
    device: device.description,
    simd: null,
    peers: {},
  };
}
