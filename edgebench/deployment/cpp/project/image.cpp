#include "image.hpp"

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>

#include <jpeglib.h>
#include <png.h>

namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

struct JpegErrors {
  jpeg_error_mgr manager;
  jmp_buf out;
};

void leave(j_common_ptr decoder) { longjmp(reinterpret_cast<JpegErrors*>(decoder->err)->out, 1); }

Image decode_jpeg(FILE* file, const std::string& path) {
  jpeg_decompress_struct decoder;
  JpegErrors errors;
  Image image(0, 0, 3);
  decoder.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = leave;
  if (setjmp(errors.out)) {
    jpeg_destroy_decompress(&decoder);
    throw std::runtime_error(path + " is a damaged JPEG file");
  }
  jpeg_create_decompress(&decoder);
  jpeg_stdio_src(&decoder, file);
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = JCS_RGB;
  jpeg_start_decompress(&decoder);
  image = Image(decoder.output_height, decoder.output_width, 3);
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW row = image.data.data() + size_t(decoder.output_scanline) * image.width * 3;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return image;
}

Image decode_png(FILE* file, const std::string& path) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_stdio(&header, file)) throw std::runtime_error(path + ": " + header.message);
  header.format = PNG_FORMAT_RGBA;  // what is transparent keeps its colour
  std::vector<uint8_t> rgba(PNG_IMAGE_SIZE(header));
  if (!png_image_finish_read(&header, nullptr, rgba.data(), 0, nullptr))
    throw std::runtime_error(path + ": " + header.message);
  Image image(header.height, header.width, 3);
  for (size_t pixel = 0; pixel < rgba.size() / 4; ++pixel)
    std::copy_n(&rgba[4 * pixel], 3, &image.data[3 * pixel]);
  return image;
}

constexpr double PI = 3.14159265358979323846;
double sinc(double x) { return x == 0 ? 1 : std::sin(PI * x) / (PI * x); }

// Keys' cubic with a = -0.5.
double cubic(double x) {
  x = std::fabs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

struct Filter {
  double reach;
  std::function<double(double)> weigh;
};

Filter filter_of(const std::string& name) {
  if (name == "box") return {0.5, [](double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }};
  if (name == "bilinear") return {1, [](double x) { return std::max(0.0, 1 - std::fabs(x)); }};
  if (name == "hamming")
    return {1, [](double x) { return std::fabs(x) < 1 ? sinc(x) * (0.54 + 0.46 * std::cos(PI * x)) : 0.0; }};
  if (name == "bicubic") return {2, cubic};
  if (name == "lanczos") return {3, [](double x) { return std::fabs(x) < 3 ? sinc(x) * sinc(x / 3) : 0.0; }};
  throw std::runtime_error("unknown interpolation " + name);
}

constexpr int64_t ONE = 1 << 22;  // weights are whole numbers of this unit, as Pillow's are

struct Window {
  int first;
  std::vector<int64_t> weights;
};

// For each of `to` places along a side of `from` pixels: where its window begins, and the weights of the pixels in it.
std::vector<Window> windows(int from, int to, const std::string& name) {
  const double scale = double(from) / to, stretch = std::max(scale, 1.0);
  std::vector<Window> found;
  for (int at = 0; at < to; ++at) {
    const double centre = (at + 0.5) * scale;
    if (name == "nearest") {
      found.push_back({int(centre), {ONE}});
      continue;
    }
    const Filter filter = filter_of(name);
    const int first = std::max(0, int(centre - filter.reach * stretch + 0.5));
    const int last = std::min(from, int(centre + filter.reach * stretch + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < last; ++x) sum += weights.emplace_back(filter.weigh((x - centre + 0.5) / stretch));
    Window window{first, {}};
    for (double weight : weights) {
      const double whole = weight / (sum != 0 ? sum : 1) * ONE;
      window.weights.push_back(int64_t(whole + (whole < 0 ? -0.5 : 0.5)));
    }
    found.push_back(window);
  }
  return found;
}

// Resizes along one side; values that follow each other there are `step` apart, and `lines` begin at `start(line)`.
void along(const std::vector<Window>& windows, const uint8_t* from, size_t step, uint8_t* to, size_t to_step) {
  for (size_t at = 0; at < windows.size(); ++at) {
    int64_t sum = ONE / 2;
    const uint8_t* source = from + windows[at].first * step;
    for (int64_t weight : windows[at].weights) {
      sum += weight * *source;
      source += step;
    }
    to[at * to_step] = uint8_t(std::clamp<int64_t>(sum >> 22, 0, 255));
  }
}

}  // namespace

Image decode(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw std::runtime_error("cannot read " + path);
  const int first = std::fgetc(file.get());
  std::rewind(file.get());
  if (first == 0xff) return decode_jpeg(file.get(), path);
  if (first == 0x89) return decode_png(file.get(), path);
  throw std::runtime_error(path + " is neither a JPEG nor a PNG file");
}

Image grey(const Image& image) {
  Image made(image.height, image.width, 1);
  for (size_t pixel = 0; pixel < made.data.size(); ++pixel) {
    const uint8_t* rgb = &image.data[3 * pixel];
    made.data[pixel] = uint8_t((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
  }
  return made;
}

Image resize(const Image& image, int height, int width, const std::string& filter) {
  const int channels = image.channels;
  Image wide(image.height, width, channels);
  if (width == image.width) {
    wide = image;
  } else {
    const auto across = windows(image.width, width, filter);
    for (int line = 0; line < image.height; ++line)
      for (int c = 0; c < channels; ++c)
        along(across, &image.data[size_t(line) * image.width * channels + c], channels,
              &wide.data[size_t(line) * width * channels + c], channels);
  }
  if (height == image.height) return wide;
  Image made(height, width, channels);
  const auto down = windows(image.height, height, filter);
  const size_t line = size_t(width) * channels;
  for (size_t at = 0; at < line; ++at) along(down, &wide.data[at], line, &made.data[at], line);
  return made;
}

Image crop(const Image& image, int top, int left, int height, int width) {
  Image made(height, width, image.channels);
  for (int row = 0; row < height; ++row)
    std::copy_n(&image.data[(size_t(top + row) * image.width + left) * image.channels], width * image.channels,
                &made.data[size_t(row) * width * image.channels]);
  return made;
}
