"use strict";

/** Returns what runs an .onnx file: an asynchronous function of its input's values that gives its output's. */
async function load(model, network) {
  const [script, wasm] = Object.values(RUNTIME);
  // Opened from a folder a page may import no module by its path, but one that it has made itself.
  const address = URL.createObjectURL(new Blob([bytesOf(script)], { type: "text/javascript" }));
  const ort = await import(address);
  URL.revokeObjectURL(address);
  ort.env.wasm.wasmBinary = bytesOf(wasm).buffer;
  ort.env.wasm.numThreads = 1; // more need headers that a folder cannot send
  const session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
  const shape = shapeOf(model);
  return async (values) => {
    const given = { [model.input.name]: new ort.Tensor(model.input.type, values, shape) };
    return (await session.run(given))[model.output.name].data;
  };
}
