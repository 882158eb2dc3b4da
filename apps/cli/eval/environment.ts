import { arch, cpus, release, totalmem, type } from "node:os";
import type { Fact } from "../../report/data.js";
import { packageVersion } from "../package-files.js";
import { bytes } from "../terminal/format.js";

/** Where a report was made. */
export function environment(device: { readonly name: string; readonly description: string }): Fact[] {
  return [
    { name: "device", value: device.name },
    { name: "what it is", value: device.description },
    { name: "chip", value: cpus()[0]?.model ?? arch() },
    { name: "memory", value: bytes(totalmem()) },
    { name: "system", value: `${type()} ${release()}, ${arch()}` },
    { name: "versions", value: `consilium ${packageVersion}, Node.js ${process.versions.node}` },
    { name: "finished", value: new Date().toISOString().replace("T", " ").slice(0, 16) },
  ];
}
