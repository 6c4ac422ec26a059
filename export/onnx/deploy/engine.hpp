// Runs an .onnx file by onnxruntime's C API (1.16 or newer), of which it declares what it needs: a library is all that it
// takes. The API is a table of functions that only grows at its end, so that each keeps its place.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.hpp"
#include "values.hpp"

extern "C" {
struct OrtApiBase {
  void* const* (*table)(uint32_t version);
  const char* (*version)();
};
const OrtApiBase* OrtGetApiBase();
}

// The network of a file. Throws std::runtime_error.
class Engine {
 public:
  explicit Engine(const std::string& path) : api_(OrtGetApiBase()->table(VERSION)) {
    if (!api_) throw std::runtime_error("this onnxruntime is older than 1.16");
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    need(call<int, const char*, void**>(CREATE_ENV, WARNING, "classify", &environment_), "start");
    void* options = nullptr;
    need(call<void**>(CREATE_SESSION_OPTIONS, &options), "make options");
    void* made = call<void*, const char*, void*, void**>(CREATE_SESSION, environment_, path.c_str(), options, &session_);
    release(RELEASE_SESSION_OPTIONS, options);
    need(made, "read " + path);
    need(call<int, int, void**>(CREATE_CPU_MEMORY_INFO, ARENA, DEFAULT_MEMORY, &memory_), "describe its memory");
    const int64_t rows = model::HEIGHT, columns = model::WIDTH, channels = model::CHANNELS;
    if (model::CHANNELS_LAST) shape_ = {1, rows, columns, channels};
    else shape_ = {1, channels, rows, columns};
    input_.resize(rows * columns * channels * width(model::INPUT_TYPE));
  }
  Engine(const Engine&) = delete;
  ~Engine() {
    release(RELEASE_MEMORY_INFO, memory_);
    release(RELEASE_SESSION, session_);
    release(RELEASE_ENV, environment_);
  }

  // The output's values for the input's.
  std::vector<float> run(const std::vector<float>& values) {
    put(input_.data(), values);
    const int type = model::INPUT_TYPE == "float32" ? 1 : model::INPUT_TYPE == "uint8" ? 2 : 3;
    void *given = nullptr, *found = nullptr, *address = nullptr;
    need(call<void*, void*, size_t, const int64_t*, size_t, int, void**>(
             CREATE_TENSOR, memory_, input_.data(), input_.size(), shape_.data(), shape_.size(), type, &given),
         "make a tensor");
    const char *in = model::INPUT_NAME.c_str(), *out = model::OUTPUT_NAME.c_str();
    void* ran = call<void*, void*, const char**, void**, size_t, const char**, size_t, void**>(
        RUN, session_, nullptr, &in, &given, 1, &out, 1, &found);
    release(RELEASE_VALUE, given);
    need(ran, "run the network");
    need(call<void*, void**>(GET_TENSOR_DATA, found, &address), "read the output");
    const std::vector<float> scores = taken(address);
    release(RELEASE_VALUE, found);
    return scores;
  }

 private:
  static constexpr int VERSION = 16, WARNING = 2, ARENA = 1, DEFAULT_MEMORY = 0;
  enum Place {
    GET_ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_SESSION_OPTIONS = 10, CREATE_TENSOR = 49,
    GET_TENSOR_DATA = 51, CREATE_CPU_MEMORY_INFO = 69, RELEASE_ENV = 92, RELEASE_STATUS = 93, RELEASE_MEMORY_INFO = 94,
    RELEASE_SESSION = 95, RELEASE_VALUE = 96, RELEASE_SESSION_OPTIONS = 100
  };

  // What a function of the table says: nothing, or a status that tells what went wrong.
  template <typename... Given>
  void* call(Place place, Given... given) const {
    return reinterpret_cast<void* (*)(Given...)>(api_[place])(given...);
  }
  void release(Place place, void* held) const {
    if (held) reinterpret_cast<void (*)(void*)>(api_[place])(held);
  }
  void need(void* status, const std::string& what) const {
    if (!status) return;
    const std::string why = reinterpret_cast<const char* (*)(void*)>(api_[GET_ERROR_MESSAGE])(status);
    release(RELEASE_STATUS, status);
    throw std::runtime_error("onnxruntime could not " + what + ": " + why);
  }

  void* const* api_;
  void *environment_ = nullptr, *session_ = nullptr, *memory_ = nullptr;
  std::vector<int64_t> shape_;
  std::vector<char> input_;
};
