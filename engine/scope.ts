import type { Tensor } from "./tensor.js";

/**
 * Who frees a tensor: the innermost scope it was made in, unless it is returned, kept, or freed before. Outside every
 * scope it is its owner's (`using`, `dispose`). The garbage collector is only a safety net: it frees the memory of a
 * tensor that its owner lost, and what the tape saved for it, some time.
 */
class Scope {
  readonly tensors = new Set<Tensor>();
}

const stack: Scope[] = [];

const collected = new FinalizationRegistry<{ release(): void }>((hold) => hold.release());
const registered = new WeakSet<Tensor>();

export function adopt(tensor: Tensor): void {
  if (stack.length > 0) stack[stack.length - 1].tensors.add(tensor);
  else watch(tensor);
}

export function forget(tensor: Tensor): void {
  for (let i = stack.length - 1; i >= 0; i--) if (stack[i].tensors.delete(tensor)) break;
  if (registered.delete(tensor)) collected.unregister(tensor);
}

/** Takes a tensor out of its scope: the caller owns it from now on. */
export function keep<T extends Tensor>(tensor: T): T {
  watch(tensor);
  for (let i = stack.length - 1; i >= 0; i--) if (stack[i].tensors.delete(tensor)) break;
  return tensor;
}

/** Frees memory and history when the tensor object is collected without dispose. */
function watch(tensor: Tensor): void {
  if (registered.has(tensor) || tensor.disposed) return;
  registered.add(tensor);
  collected.register(tensor, tensor.hold, tensor);
}

/** What `scope` may return: tensors, or plain containers of them. A Promise is refused by its type. */
export type ScopeResult<T> = T extends PromiseLike<unknown> ? never : T;

/**
 * Runs `f`, then frees every tensor made inside except those it returns (in arrays and objects too), those kept, and
 * the gradients of parameters. Synchronous: nothing inside a step needs `await`.
 */
export function scope<T>(f: () => ScopeResult<T>): T {
  const inner = new Scope();
  stack.push(inner);
  let result: T;
  try {
    result = f();
    if (result instanceof Promise)
      throw new TypeError("scope: the function returned a Promise. A scope is synchronous; await outside of it.");
    collect(result, inner.tensors);
  } finally {
    stack.pop();
    for (const tensor of [...inner.tensors].reverse()) tensor.dispose();
  }
  return result;
}

/** Takes the tensors of a result out of the scope's set; the outer scope adopts them. */
function collect(value: unknown, tensors: Set<Tensor>): void {
  if (value === null || typeof value !== "object") return;
  if (tensors.delete(value as Tensor)) {
    if (stack.length > 1) stack[stack.length - 2].tensors.add(value as Tensor);
    else watch(value as Tensor);
    return;
  }
  if (Array.isArray(value)) for (const v of value) collect(v, tensors);
  else if (Object.getPrototypeOf(value) === Object.prototype) for (const v of Object.values(value)) collect(v, tensors);
}
