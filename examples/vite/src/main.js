import { start } from "./page.js";
import { remoteModel } from "./remote.js";

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
start(document.querySelector("main"), "./", (data, tell) => remoteModel(worker, data, tell));
