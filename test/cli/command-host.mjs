// Runs the command lines that its parent sends, one after the other in this process, as bin/consilium.js runs one, and sends back
// what each printed and its exit code. Modules are loaded once, which is most of what a refusal takes.
import { run } from "../../dist/apps/cli/run.js";

/** What is written to the stream goes to `sink`. */
function redirect(stream, sink) {
  stream.write = (text, encoding, written) => {
    sink(String(text));
    (typeof encoding === "function" ? encoding : written)?.();
    return true;
  };
}

let outcome;
redirect(process.stdout, (text) => {
  outcome.stdout += text;
});
redirect(process.stderr, (text) => {
  outcome.stderr += text;
});

process.on("message", async (args) => {
  process.argv.splice(2, Infinity, ...args);
  outcome = { code: null, signal: null, stdout: "", stderr: "" };
  outcome.code = await run(args);
  process.send(outcome);
});
