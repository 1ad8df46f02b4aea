#include <cstddef>
#include <filesystem>
#include <type_traits>
#include <variant>

#include "api/c_model.hpp"
#include "peephole/files.hpp"
#include "peephole/interop.hpp"
#include "peephole/peephole.h"
#include "peephole/stream.hpp"

namespace {

using peephole::Index;
using peephole::Stream;
using peephole::c::create;
using peephole::c::fail;

/// A text of fixed length: there may be no memory for another, nor time on a real-time thread.
constexpr std::size_t kLongestError = 1024;
thread_local char last_error[kLongestError] = "";

template <class T>
Stream<T> stream_of(const peephole::LSTM<T>& model) {
  return Stream<T>(model);
}
template <class T>
Stream<T> stream_of(const peephole::Network<T>& model) {
  return Stream<T>(model);
}

template <class... Models>
peephole_model* stream_of(const std::variant<Models...>& loaded) {
  return std::visit([](const auto& model) { return new peephole_model{stream_of(model)}; }, loaded);
}

/// Runs `f` on the model's stream, if that is of T.
template <class T, class F>
peephole_status run(peephole_model* model, const T* x, const T* y, F&& f) noexcept {
  if (model == nullptr) return fail(PEEPHOLE_BAD_ARGUMENT, "model: expected a model, got NULL");
  if (x == nullptr) return fail(PEEPHOLE_BAD_ARGUMENT, "x: expected a pointer, got NULL");
  if (y == nullptr) return fail(PEEPHOLE_BAD_ARGUMENT, "y: expected a pointer, got NULL");
  auto* const stream = std::get_if<Stream<T>>(&model->stream);
  if (stream == nullptr) {
    return fail(PEEPHOLE_BAD_ARGUMENT, std::is_same_v<T, float>
                                           ? "x: expected double, the model's type, got float"
                                           : "x: expected float, the model's type, got double");
  }
  f(*stream);
  return PEEPHOLE_OK;
}

template <class T>
peephole_status step(peephole_model* model, const T* x, T* y) noexcept {
  return run(model, x, y, [&](Stream<T>& stream) { stream.step(x, y); });
}

template <class T>
peephole_status process(peephole_model* model, const T* x, T* y, std::size_t n) noexcept {
  return run(model, x, y, [&](Stream<T>& stream) { stream.process(x, y, static_cast<Index>(n)); });
}

}  // namespace

peephole_status peephole::c::fail(peephole_status status, const char* text) noexcept {
  std::size_t length = 0;
  for (; length + 1 < kLongestError && text[length] != '\0'; ++length) {
    last_error[length] = text[length];
  }
  last_error[length] = '\0';
  return status;
}

peephole_status peephole_load(const char* path, peephole_model** model) {
  return create(model, path, "path",
                [&] { return stream_of(peephole::load(std::filesystem::u8path(path))); });
}

peephole_status peephole_load_memory(const void* data, size_t size, peephole_model** model) {
  return create(model, data, "data", [&] { return stream_of(peephole::load(data, size)); });
}

peephole_status peephole_load_nam(const char* path, peephole_model** model) {
  return create(model, path, "path", [&] {
    const auto capture = peephole::load_nam<float>(std::filesystem::u8path(path));
    return new peephole_model{stream_of(capture.network), capture.sample_rate.value_or(0)};
  });
}

peephole_status peephole_load_rtneural(const char* path, peephole_model** model) {
  return create(model, path, "path", [&] {
    return stream_of(peephole::load_rtneural<float>(std::filesystem::u8path(path)));
  });
}

peephole_status peephole_copy(const peephole_model* model, peephole_model** copy) {
  return create(copy, model, "model", [&] { return new peephole_model(*model); });
}

void peephole_free(peephole_model* model) { delete model; }

size_t peephole_input_size(const peephole_model* model) {
  if (model == nullptr) return 0;
  return std::visit([](const auto& s) { return static_cast<size_t>(s.input_size()); },
                    model->stream);
}

size_t peephole_output_size(const peephole_model* model) {
  if (model == nullptr) return 0;
  return std::visit([](const auto& s) { return static_cast<size_t>(s.output_size()); },
                    model->stream);
}

int peephole_is_double(const peephole_model* model) {
  return model != nullptr && std::holds_alternative<Stream<double>>(model->stream) ? 1 : 0;
}

double peephole_sample_rate(const peephole_model* model) {
  return model != nullptr ? model->sample_rate : 0;
}

peephole_status peephole_step(peephole_model* model, const float* x, float* y) {
  return step(model, x, y);
}

peephole_status peephole_step_double(peephole_model* model, const double* x, double* y) {
  return step(model, x, y);
}

peephole_status peephole_process(peephole_model* model, const float* x, float* y, size_t n) {
  return process(model, x, y, n);
}

peephole_status peephole_process_double(peephole_model* model, const double* x, double* y,
                                        size_t n) {
  return process(model, x, y, n);
}

void peephole_reset(peephole_model* model) {
  if (model == nullptr) return;
  std::visit([](auto& stream) { stream.reset(); }, model->stream);
}

const char* peephole_error(void) { return last_error; }
