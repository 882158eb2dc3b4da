import { numpy as np } from "@jax-js/jax";

/** An input on the device of jax-js. */
export const toArray = ({ shape, values }) => {
  return np.array(values, { dtype: values instanceof Int32Array ? np.int32 : np.float32 }).reshape(shape);
};
