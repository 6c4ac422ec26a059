"use strict";

/** Returns what runs a .tflite file: an asynchronous function of its input's values that gives its output's. */
async function load(model, network) {
  const [library, fast, fastWasm, plain, plainWasm] = Object.values(RUNTIME);
  // Opened from a folder a page may import no module by its path, but one that it has made itself.
  const addressOf = (...parts) => URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
  // LiteRT.js asks another package to fetch and start its WebAssembly, which is here already.
  globalThis.started = async (Library) => {
    const [script, wasm] = (await litert.supportsFeature("relaxedSimd")) ? [fast, fastWasm] : [plain, plainWasm];
    const { default: make } = await import(addressOf(bytesOf(script), "\nexport default ModuleFactory;"));
    return new Library(await make({ wasmBinary: bytesOf(wasm), printErr: console.debug }), null);
  };
  const starter = addressOf("export const createWasmLib = (Library) => started(Library);");
  const text = new TextDecoder().decode(bytesOf(library));
  const litert = await import(addressOf(text.replace("@litertjs/wasm-utils", starter)));
  await litert.loadLiteRt("wasm.js");
  const session = await litert.loadAndCompile(network, { accelerator: "wasm" });
  const outputs = session.getOutputDetails().map((each) => each.name), shape = shapeOf(model);
  const at = Math.max(0, outputs.indexOf(model.output.name));
  return async (values) => {
    const given = new litert.Tensor(values, shape), found = await session.run([given]);
    const data = found[at].toTypedArray().slice();
    for (const each of [given, ...found]) each.delete();
    return data;
  };
}
