// Runs a .tflite file by LiteRT's C API (2.2 or newer), of which it declares what it needs: a library is all that it takes.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.hpp"
#include "values.hpp"

extern "C" {
struct LiteRtLayout {
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
};
struct LiteRtRankedTensorType {
  int32_t element_type;
  LiteRtLayout layout;
};
int LiteRtCreateEnvironment(int count, const void* options, void** environment);
void LiteRtDestroyEnvironment(void* environment);
int LiteRtCreateModelFromFile(void* environment, const char* path, void** model);
void LiteRtDestroyModel(void* model);
int LiteRtCreateOptions(void** options);
int LiteRtSetOptionsHardwareAccelerators(void* options, int accelerators);
void LiteRtDestroyOptions(void* options);
int LiteRtCreateCompiledModel(void* environment, void* model, void* options, void** compiled);
void LiteRtDestroyCompiledModel(void* compiled);
int LiteRtCreateManagedTensorBuffer(void* environment, int kind, const LiteRtRankedTensorType* type, size_t size, void** made);
int LiteRtLockTensorBuffer(void* buffer, void** address, int mode);
int LiteRtUnlockTensorBuffer(void* buffer);
void LiteRtDestroyTensorBuffer(void* buffer);
int LiteRtRunCompiledModel(void* compiled, size_t signature, size_t inputs, void** input, size_t outputs, void** output);
}

// The network of a file. Throws std::runtime_error.
class Engine {
 public:
  explicit Engine(const std::string& path) {
    need(LiteRtCreateEnvironment(0, nullptr, &environment_), "make an environment");
    need(LiteRtCreateModelFromFile(environment_, path.c_str(), &model_), "read " + path);
    void* options = nullptr;
    need(LiteRtCreateOptions(&options), "make options");
    need(LiteRtSetOptionsHardwareAccelerators(options, CPU), "choose the processor");
    const int made = LiteRtCreateCompiledModel(environment_, model_, options, &compiled_);
    LiteRtDestroyOptions(options);
    need(made, "prepare " + path);
    const int32_t rows = model::HEIGHT, columns = model::WIDTH, channels = model::CHANNELS;
    input_ = buffer(model::INPUT_TYPE, {1, rows, columns, channels});
    output_ = buffer(model::OUTPUT_TYPE, {1, model::CLASSES});
  }
  Engine(const Engine&) = delete;
  ~Engine() {
    if (output_) LiteRtDestroyTensorBuffer(output_);
    if (input_) LiteRtDestroyTensorBuffer(input_);
    if (compiled_) LiteRtDestroyCompiledModel(compiled_);
    if (model_) LiteRtDestroyModel(model_);
    if (environment_) LiteRtDestroyEnvironment(environment_);
  }

  // The output's values for the input's.
  std::vector<float> run(const std::vector<float>& values) {
    put(locked(input_, WRITE), values);
    LiteRtUnlockTensorBuffer(input_);
    need(LiteRtRunCompiledModel(compiled_, 0, 1, &input_, 1, &output_), "run the network");
    const std::vector<float> found = taken(locked(output_, READ));
    LiteRtUnlockTensorBuffer(output_);
    return found;
  }

 private:
  static constexpr int CPU = 1, HOST_MEMORY = 1, READ = 0, WRITE = 1;  // LiteRt's enumerations

  static void need(int status, const std::string& what) {
    if (status) throw std::runtime_error("LiteRT could not " + what + " (status " + std::to_string(status) + ")");
  }
  static void* locked(void* buffer, int mode) {
    void* address = nullptr;
    need(LiteRtLockTensorBuffer(buffer, &address, mode), "give access to a tensor");
    return address;
  }
  void* buffer(const std::string& type, const std::vector<int32_t>& shape) {
    LiteRtRankedTensorType described{};
    described.element_type = type == "float32" ? 1 : type == "uint8" ? 3 : 9;
    described.layout.rank = shape.size();
    std::copy(shape.begin(), shape.end(), described.layout.dimensions);
    size_t size = width(type);
    for (int32_t each : shape) size *= each;
    void* made = nullptr;
    need(LiteRtCreateManagedTensorBuffer(environment_, HOST_MEMORY, &described, size, &made), "make a tensor");
    return made;
  }

  void *environment_ = nullptr, *model_ = nullptr, *compiled_ = nullptr, *input_ = nullptr, *output_ = nullptr;
};
