import { Tensor } from "./tensor.js";

/**
 * Who frees a tensor: the innermost scope it was made in, unless it is returned, kept, or freed before. Outside every
 * scope it is its owner's (`using`, `dispose`). The garbage collector is only a safety net: it frees the memory of a
 * tensor that its owner lost, and what the tape saved for it, some time.
 *
 * A list through the tensors: a step makes thousands, and a set of them took a quarter of the time of a small op.
 */
export class Scope {
  /** The youngest. */
  last: Tensor | null = null;

  add(tensor: Tensor): void {
    tensor.scope = this;
    tensor.older = this.last;
    if (this.last) this.last.younger = tensor;
    this.last = tensor;
  }

  delete(tensor: Tensor): void {
    const { older, younger } = tensor;
    if (older) older.younger = younger;
    if (younger) younger.older = older;
    else this.last = older;
    tensor.scope = null;
    tensor.older = null;
    tensor.younger = null;
  }
}

const stack: Scope[] = [];

const collected = new FinalizationRegistry<{ release(): void }>((hold) => hold.release());

export function adopt(tensor: Tensor): void {
  if (stack.length > 0) stack[stack.length - 1].add(tensor);
  else watch(tensor);
}

export function forget(tensor: Tensor): void {
  tensor.scope?.delete(tensor);
  if (!tensor.watched) return;
  tensor.watched = false;
  collected.unregister(tensor);
}

/** Takes a tensor out of its scope: the caller owns it from now on. */
export function keep<T extends Tensor>(tensor: T): T {
  watch(tensor);
  tensor.scope?.delete(tensor);
  return tensor;
}

/** Frees memory and history when the tensor object is collected without dispose. */
function watch(tensor: Tensor): void {
  if (tensor.watched || tensor.disposed) return;
  tensor.watched = true;
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
    collect(result, inner);
  } finally {
    stack.pop();
    while (inner.last) inner.last.dispose();
  }
  return result;
}

/** Takes the tensors of a result out of their scope, which is the innermost one; the outer scope adopts them. */
function collect(value: unknown, inner: Scope): void {
  if (value === null || typeof value !== "object") return;
  if (value instanceof Tensor) {
    if (value.scope !== inner) return;
    inner.delete(value);
    if (stack.length > 1) stack[stack.length - 2].add(value);
    else watch(value);
    return;
  }
  if (Array.isArray(value)) for (const v of value) collect(v, inner);
  else if (Object.getPrototypeOf(value) === Object.prototype) for (const v of Object.values(value)) collect(v, inner);
}
