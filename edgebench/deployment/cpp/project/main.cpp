// Prints the five best labels of images: classify IMAGE...; without an image it tests itself.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "engine.hpp"
#include "image.hpp"
#include "model.hpp"

namespace {

constexpr int SHOWN = 5;

// What the network sees of an image: 8-bit values, height x width x channels.
Image cropped(const std::string& path) {
  Image image = decode(path);
  if (model::CHANNELS == 1) image = grey(image);
  int rows = model::COVER_HEIGHT, columns = model::COVER_WIDTH;
  if (!model::SQUASH) {  // keeps its shape, and just covers that size
    if (int64_t(image.height) * columns <= int64_t(image.width) * rows)
      columns = std::max(columns, int(double(rows) * image.width / image.height));
    else
      rows = std::max(rows, int(double(columns) * image.height / image.width));
  }
  const Image whole = resize(image, rows, columns, model::INTERPOLATION);
  const int top = int(std::nearbyint((rows - model::HEIGHT) / 2.0));
  const int left = int(std::nearbyint((columns - model::WIDTH) / 2.0));
  return crop(whole, top, left, model::HEIGHT, model::WIDTH);
}

// The values of the network's input, before they are rounded to its type.
std::vector<float> prepared(const Image& image) {
  const int channels = image.channels, pixels = image.height * image.width;
  std::vector<float> made(image.data.size());
  for (int pixel = 0; pixel < pixels; ++pixel)
    for (int c = 0; c < channels; ++c) {
      float value = image.data[pixel * channels + (model::BGR ? channels - 1 - c : c)];
      if (!model::MEAN.empty()) value = (value / 255 - model::MEAN[c]) / model::STD[c];
      made[model::CHANNELS_LAST ? pixel * channels + c : c * pixels + pixel] = value;
    }
  return made;
}

// A score for each class.
std::vector<double> classify(Engine& engine, const std::string& path) {
  const std::vector<float> output = engine.run(prepared(cropped(path)));
  std::vector<double> scores(output.begin(), output.end());
  if (!model::SOFTMAX) return scores;
  const double most = *std::max_element(scores.begin(), scores.end());
  for (double& each : scores) each = std::exp(each - most);
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  for (double& each : scores) each /= sum;
  return scores;
}

void show(const std::string& path, const std::vector<double>& scores) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
  std::printf("%s\n", path.c_str());
  for (int place = 0; place < std::min<int>(SHOWN, order.size()); ++place) {
    const int each = order[place];
    const std::string label = model::LABELS.empty() ? "class " + std::to_string(each) : model::LABELS[each];
    std::printf("  %5.1f%%  %s\n", 100 * scores[each], label.c_str());
  }
}

}  // namespace

int main(int count, char** given) try {
  const auto here = std::filesystem::path(MODEL_FOLDER);
  Engine engine((here / model::FILE_NAME).string());
  for (int number = 1; number < count; ++number) show(given[number], classify(engine, given[number]));
  if (count > 1) return 0;
  const std::vector<double> scores = classify(engine, (here / model::TEST).string());
  double error = 0;
  for (size_t place = 0; place < model::EXPECTED_CLASSES.size(); ++place)
    error = std::max(error, std::fabs(scores[model::EXPECTED_CLASSES[place]] - model::EXPECTED_SCORES[place]));
  std::printf("self-test %s: scores differ by %.2g from those expected\n", error < 0.02 ? "passed" : "FAILED", error);
  return error < 0.02 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
