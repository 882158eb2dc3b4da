/** Of one set of the inputs. */
export const bytesOf = (inputs) => Object.values(inputs).reduce((sum, { values }) => sum + values.byteLength, 0);
