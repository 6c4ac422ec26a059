"use strict";

/** What base64 text stands for. */
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The input's shape, with a batch of one. */
function shapeOf(model) {
  const [height, width] = model.images.size;
  return model.input.layout === "NHWC" ? [1, height, width, model.images.channels] : [1, model.images.channels, height, width];
}

/** An image: its height, width and channels, and rows of 8-bit values, a pixel's channels side by side. */
const picture = (height, width, channels, data = new Uint8Array(height * width * channels)) => ({ height, width, channels, data });

/** Decodes an image file, its colours and its orientation as they are stored unless `upright`. */
async function decode(blob, upright) {
  const orientation = upright ? "from-image" : "none";
  const bitmap = await createImageBitmap(blob, { imageOrientation: orientation, colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const image = picture(bitmap.height, bitmap.width, 3);
  for (let at = 0, to = 0; at < rgba.length; at += 4) for (let c = 0; c < 3; c++) image.data[to++] = rgba[at + c];
  return image;
}

/** One channel of brightness: 0.299 red, 0.587 green, 0.114 blue, in 16 bits after the point, as Pillow has them. */
function grey(image) {
  const made = picture(image.height, image.width, 1);
  for (let at = 0, to = 0; to < made.data.length; at += 3) {
    const [red, green, blue] = image.data.subarray(at, at + 3);
    made.data[to++] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return made;
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Each filter's reach, and its weight at a distance. */
const FILTERS = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  hamming: [1, (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0)],
  bicubic: [2, cubic],
  lanczos: [3, (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/** Keys' cubic with a = -0.5. */
function cubic(signed) {
  const x = Math.abs(signed);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

const ONE = 2 ** 22; // weights are whole numbers of this unit, as Pillow's are

/** For each of `to` places along a side of `from` pixels: where its window begins, and the weights of the pixels in it. */
function windows(from, to, name) {
  const scale = from / to, stretch = Math.max(scale, 1);
  if (name === "nearest") return Array.from({ length: to }, (_, at) => [Math.floor((at + 0.5) * scale), [ONE]]);
  const [reach, weigh] = FILTERS[name];
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach * stretch + 0.5));
    const weights = [];
    for (let x = first; x < last; x++) weights.push(weigh((x - centre + 0.5) / stretch));
    const sum = weights.reduce((total, each) => total + each, 0) || 1;
    return [first, weights.map((each) => Math.trunc((each / sum) * ONE + Math.sign(each) * 0.5))];
  });
}

/** Resizes along one side: `count` lines of `from` pixels, `step` values apart, become lines of `to`. */
function along(image, from, to, name, across) {
  const made = across ? picture(image.height, to, image.channels) : picture(to, image.width, image.channels);
  const { channels } = image;
  const step = across ? channels : image.width * channels, next = across ? channels : made.width * channels;
  const lines = across ? image.height : image.width * channels;
  for (const [at, [first, weights]] of windows(from, to, name).entries()) {
    for (let line = 0; line < lines; line++) {
      for (let c = 0; c < (across ? channels : 1); c++) {
        let source = (across ? line * image.width * channels + c : line) + first * step, sum = ONE / 2;
        for (const weight of weights) { sum += weight * image.data[source]; source += step; }
        made.data[(across ? line * to * channels + c : line) + at * next] = Math.min(255, Math.max(0, Math.floor(sum / ONE)));
      }
    }
  }
  return made;
}

/** Resizes with antialiasing, first across and then down, rounding to 8 bits after each, as Pillow does. */
function resize(image, height, width, name) {
  const wide = width === image.width ? image : along(image, image.width, width, name, true);
  return height === image.height ? wide : along(wide, image.height, height, name, false);
}

/** Half to even, as Python rounds. */
function round(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}

/** The 8-bit values that the network sees of an image, [height, width, channels]. */
function cropped(decoded, images) {
  const image = images.channels === 1 ? grey(decoded) : decoded;
  const [height, width] = images.size;
  let [rows, columns] = images.cover;
  if (!images.squash) { // keeps its shape, and just covers that size
    if (image.height * columns <= image.width * rows) columns = Math.max(columns, Math.trunc((rows * image.width) / image.height));
    else rows = Math.max(rows, Math.trunc((columns * image.height) / image.width));
  }
  const whole = resize(image, rows, columns, images.interpolation);
  const top = round((rows - height) / 2), left = round((columns - width) / 2);
  const made = picture(height, width, image.channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * columns + left) * image.channels;
    made.data.set(whole.data.subarray(from, from + width * image.channels), y * width * image.channels);
  }
  return made;
}

const KINDS = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array };
const LIMITS = { uint8: [0, 255], int8: [-128, 127] };

/** The values of the network's input for a cropped image, in its layout and type. */
function inputOf(image, model) {
  const { mean, std, bgr } = model.images, { scale, zero_point: zero, type, layout } = model.input;
  const { channels } = image, pixels = image.height * image.width;
  const made = new KINDS[type](image.data.length);
  for (let at = 0; at < pixels; at++) {
    for (let c = 0; c < channels; c++) {
      let value = image.data[at * channels + (bgr ? channels - 1 - c : c)];
      if (mean) value = (value / 255 - mean[c]) / std[c];
      if (scale) value = Math.min(LIMITS[type][1], Math.max(LIMITS[type][0], round(value / scale) + zero));
      made[layout === "NHWC" ? at * channels + c : c * pixels + at] = value;
    }
  }
  return made;
}

/** A score for each class. */
function scoresOf(output, model) {
  const { scale, zero_point: zero } = model.output;
  const values = Array.from(output, (each) => (scale ? (each - zero) * scale : each));
  if (!model.softmax) return values;
  const most = values.reduce((a, b) => Math.max(a, b)), raised = values.map((each) => Math.exp(each - most));
  const sum = raised.reduce((a, b) => a + b);
  return raised.map((each) => each / sum);
}
