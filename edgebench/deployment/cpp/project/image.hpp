// Images: decoding, and resizing with the same numbers as Pillow.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

// Rows of 8-bit values, a pixel's channels side by side.
struct Image {
  int height, width, channels;
  std::vector<uint8_t> data;
  Image(int height, int width, int channels)
      : height(height), width(width), channels(channels), data(size_t(height) * width * channels) {}
};

// Decodes a JPEG or PNG file to red, green and blue. Throws std::runtime_error.
Image decode(const std::string& path);

// One channel of brightness, 0.299 red, 0.587 green and 0.114 blue.
Image grey(const Image& image);

// Resizes with antialiasing by "box", "bilinear", "hamming", "bicubic" or "lanczos", or takes the "nearest" pixels.
Image resize(const Image& image, int height, int width, const std::string& filter);

// The part of height x width whose upper left corner is at (top, left).
Image crop(const Image& image, int top, int left, int height, int width);
