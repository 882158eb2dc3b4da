// A model of model.js that lives in a worker: the same methods, each of which resolves when the worker has answered.
export function remoteModel(worker, data, tell) {
  const waiting = new Map();
  let calls = 0;
  const call =
    (method) =>
    (...args) =>
      new Promise((resolve, reject) => {
        waiting.set(calls, { resolve, reject });
        worker.postMessage({ id: calls++, method, args });
      });
  const failAll = (error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.onmessage = ({ data: { id, event, result, error } }) => {
    if (event) return tell(event);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(Object.assign(new Error(error.message), { name: error.name }));
  };
  worker.onerror = (event) => failAll(new Error(`The worker failed: ${event.message || "its script did not load"}`));
  call("create")(data);
  return Object.fromEntries(["open", "load", "answer", "train", "stop"].map((method) => [method, call(method)]));
}
