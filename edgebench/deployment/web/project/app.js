"use strict";

const SHOWN = 5;
const element = (id) => document.getElementById(id);
let run = null;

/** The scores of an image file, and how long the network took for them. */
async function classify(blob) {
  const image = cropped(await decode(blob, MODEL.images.upright), MODEL.images);
  const input = inputOf(image, MODEL), began = performance.now();
  const output = await run(input);
  return { scores: scoresOf(output, MODEL), milliseconds: performance.now() - began };
}

/** Shows an image and its best labels. */
async function show(blob) {
  element("picture").src = URL.createObjectURL(blob);
  const { scores, milliseconds } = await classify(blob);
  const best = scores.map((score, at) => [score, at]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, SHOWN);
  const largest = Math.max(...best.map(([score]) => score), 1e-9);
  element("answers").replaceChildren(...best.map(([score, at]) => {
    const row = document.createElement("li"), name = document.createElement("span"), bar = document.createElement("i"), number = document.createElement("b");
    name.textContent = MODEL.labels[at] ?? `class ${at}`;
    bar.style.width = `${(100 * Math.max(0, score)) / largest}%`;
    number.textContent = `${(100 * score).toFixed(1)}%`;
    row.append(name, number, bar);
    return row;
  }));
  element("time").textContent = `${milliseconds.toFixed(1)} ms in this browser, one image, one thread`;
}

/** Whether the test image gives what it gave where the page was made. */
async function selfTest() {
  const { scores } = await classify(new Blob([bytesOf(TEST)]));
  const error = Math.max(...EXPECTED.classes.map((at, place) => Math.abs(scores[at] - EXPECTED.scores[place])));
  const passed = error < 0.02;
  element("test").textContent = `Self-test ${passed ? "passed" : "FAILED"}: scores differ by ${error.toExponential(1)} from those expected.`;
  document.body.dataset.test = passed ? "passed" : "failed";
  return { passed, error, scores };
}

/** Takes a picture every time the last one has its answer, as long as the camera is on. */
async function watch() {
  const video = element("camera"), button = element("film");
  if (video.srcObject) {
    for (const track of video.srcObject.getTracks()) track.stop();
    video.srcObject = null;
    button.textContent = "Camera";
    return;
  }
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  await video.play();
  button.textContent = "Stop";
  const canvas = document.createElement("canvas");
  while (video.srcObject) {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    await show(await new Promise((done) => canvas.toBlob(done)));
  }
}

/** Says what went wrong where the answers would stand. */
const guarded = (doing) => (...given) => doing(...given).catch((error) => { element("test").textContent = String(error); document.body.dataset.test = "failed"; });

document.addEventListener("DOMContentLoaded", guarded(async () => {
  document.title = element("title").textContent = MODEL.title;
  element("about").textContent = `${MODEL.file}, ${MODEL.images.size.join("x")} pixels`;
  run = await load(MODEL, bytesOf(NETWORK));
  await selfTest();
  await guarded(show)(new Blob([bytesOf(TEST)]));
  element("file").addEventListener("change", guarded(async (event) => { if (event.target.files[0]) await show(event.target.files[0]); }));
  element("film").addEventListener("click", guarded(watch));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", guarded(async (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) await show(event.dataTransfer.files[0]); }));
  for (const each of document.querySelectorAll("input, button")) each.disabled = false;
}));
