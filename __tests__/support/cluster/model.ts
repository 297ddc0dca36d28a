/** What model-server/main.go answers, told apart from it. */

/** A question to `/v2/models/NAME/infer`. */
export const question = (data: readonly number[]) => ({
  inputs: [{ name: 'value', datatype: 'FP64', shape: [data.length], data }],
});

/** The answer of a server that has this model and OFFSET, and does not misbehave. */
export const answerOf = (name: string, model: Uint8Array, data: readonly number[], offset = 0) => {
  const weight = model.reduce((sum, byte) => sum + byte, 0) % 1000;
  const score = data.map((value) => value + weight + offset);
  return {
    model_name: name,
    outputs: [{ name: 'score', datatype: 'FP64', shape: [data.length], data: score }],
  };
};
