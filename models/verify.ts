import { z } from "zod";
import { type Device, io } from "../engine/index.js";
import type { VerifyOptions, VerifyReport } from "./golden/report.js";
import { verifyMedMoe } from "./med-moe/verify/verify.js";
import { verifyMiss } from "./miss/verify/verify.js";

const NEEDED = "Golden tensors are a folder with manifest.json and the files that it names: check the path";

/**
 * Recomputes a folder of golden tensors on a device, of MISS or of Med-MoE, of any sizes and seeds: manifest.json says which.
 * Passes when every expected tensor was compared and lies within the manifest's tolerances.
 */
export async function verify(folder: string, device: Device, options: VerifyOptions = {}): Promise<VerifyReport> {
  const path = `${folder}/manifest.json`;
  const json = io.parseJson(await io.readText(path, NEEDED), path);
  const keys = io.parseWith(z.record(z.string(), z.unknown()), json, path);
  if ("scenarios" in keys) return verifyMiss(folder, device, options);
  if ("models" in keys) return verifyMedMoe(folder, device, options);
  throw new io.FileFormatError(
    path,
    "it has neither the scenarios of MISS nor the models of Med-MoE",
    "Give the folder of golden tensors of one of them",
  );
}
