// The model in a worker, so that the page scrolls and types while it trains. remote.js is the page's end.
import { createModel } from "./model.js";

let model;

self.onmessage = async ({ data: { id, method, args } }) => {
  try {
    if (method === "create") model = createModel(args[0], (event) => postMessage({ event }));
    const result = method === "create" ? null : await model[method](...args);
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: { name: error.name, message: error.message } });
  }
};
