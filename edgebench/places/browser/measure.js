"use strict";

// What the engine's script finds in a page of `edgebench deploy` in base64 is fetched here as it is.
const RUNTIME = {};
const bytesOf = (bytes) => bytes;
const shapeOf = (model) => model.shape;
const fetched = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

const KINDS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array, int64: BigInt64Array };
let run = null, input = null;

/** Nanoseconds that an asynchronous function takes. */
async function timed(doing) {
  const began = performance.now();
  await doing();
  return Math.round((performance.now() - began) * 1e6);
}

const imported = (files) => timed(async () => {
  for (const each of files) RUNTIME[each] = await fetched(each);
});

const loaded = (model, network) => timed(async () => { run = await load(model, network); });

/** Takes an input's bytes. */
async function given(path, type) {
  input = new KINDS[type]((await fetched(path)).buffer);
}

const once = () => timed(() => run(input));

/** Times every `every`-th run until `runs` of them AND `least` ns have passed, or `most` ns have; at least one. */
async function repeated(runs, least, most, every) {
  const began = performance.now(), samples = [];
  for (;;) {
    for (let skipped = 1; skipped < every; skipped++) await run(input);
    samples.push(await once());
    const passed = (performance.now() - began) * 1e6;
    if (passed >= most || (passed >= least && samples.length >= runs)) return samples;
  }
}

/** The output's values for an input: their type, and their bytes in base64. */
async function outputOf(path, type) {
  await given(path, type);
  const values = await run(input), bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return { type: values.constructor.name.replace("Array", "").replace("Big", "").toLowerCase(), data: btoa(text) };
}
