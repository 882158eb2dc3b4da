// Plain loops: bench/contenders/loops, which is our own and needs no package.

import { loopForms } from "../../../dist/bench/contenders/loops/index.js";

export const library = null;

export const open = ({ threads }) => {
  const note = threads > 1 ? "plain loops have one thread" : null;
  return (task, inputs) => {
    return loopForms(task, inputs).map(({ name, call }) => {
      return {
        ...{ name, note },
        run(calls) {
          for (let i = 0; i < calls; i++) call();
        },
        results: call,
        release() {},
      };
    });
  };
};
