// Between the program's numbers and what tensors store.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "model.hpp"

template <typename Stored>
void store(Stored* to, const std::vector<float>& values) {
  const float least = std::numeric_limits<Stored>::min(), most = std::numeric_limits<Stored>::max();
  for (float value : values) {
    if (model::INPUT_SCALE != 0) value = std::nearbyint(value / model::INPUT_SCALE) + model::INPUT_ZERO;
    *to++ = Stored(std::clamp(value, least, most));
  }
}

template <typename Stored>
void load(const Stored* from, std::vector<float>& values) {
  for (float& value : values) value = (*from++ - model::OUTPUT_ZERO) * model::OUTPUT_SCALE;
}

// The bytes that a value of a tensor takes.
inline size_t width(const std::string& type) { return type == "float32" ? sizeof(float) : 1; }

// Stores the network's input.
inline void put(void* to, const std::vector<float>& values) {
  if (model::INPUT_TYPE == "float32") std::memcpy(to, values.data(), values.size() * sizeof(float));
  if (model::INPUT_TYPE == "int8") store(static_cast<int8_t*>(to), values);
  if (model::INPUT_TYPE == "uint8") store(static_cast<uint8_t*>(to), values);
}

// The network's output.
inline std::vector<float> taken(const void* from) {
  std::vector<float> found(model::CLASSES);
  if (model::OUTPUT_TYPE == "float32") std::memcpy(found.data(), from, found.size() * sizeof(float));
  if (model::OUTPUT_TYPE == "int8") load(static_cast<const int8_t*>(from), found);
  if (model::OUTPUT_TYPE == "uint8") load(static_cast<const uint8_t*>(from), found);
  return found;
}
