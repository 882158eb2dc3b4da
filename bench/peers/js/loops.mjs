// Plain loops: bench/contenders/loops, which is our own and needs no package.

import { loopForms } from "../../../dist/bench/contenders/loops/index.js";
import { InTurn } from "../../../dist/bench/row/in-turn.js";
import { bytesOf } from "./inputs.mjs";

export const library = null;

export const open = ({ threads }) => {
  const note = threads > 1 ? "plain loops have one thread" : null;
  return (task, inputs, copies) => {
    const others = Array.from({ length: copies - 1 }, () => loopForms(task, cloned(inputs)));
    return loopForms(task, inputs).map(({ name, call }, i) => {
      const calls = new InTurn(call, ...others.map((forms) => forms[i].call));
      return {
        ...{ name, note, copiedBytes: others.length * bytesOf(inputs) },
        run(count) {
          for (let i = 0; i < count; i++) calls.next()();
        },
        results: call,
        release() {},
      };
    });
  };
};

const cloned = (inputs) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, values }]) => [name, { shape, values: values.slice() }]),
  );
