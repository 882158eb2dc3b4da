import { spawn } from "node:child_process";

/** Runs a command whose output nobody needs while it works. Rejects where it fails; `output` of the error has all of it. */
export function quietly(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => reject(Object.assign(error, { output: "" })));
    child.on("close", (code, signal) => {
      if (code === 0) return resolve();
      const error = new Error(`${command} ended with ${signal ?? `exit code ${code}`}`);
      reject(Object.assign(error, { output: Buffer.concat(chunks).toString() }));
    });
  });
}
