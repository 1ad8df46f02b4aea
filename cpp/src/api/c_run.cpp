#include "api/c_model.hpp"

namespace peephole::c {
namespace {

peephole_status check_arrays(const void* x, const void* y) noexcept {
  if (x == nullptr) return null_argument("x");
  return y != nullptr ? PEEPHOLE_OK : null_argument("y");
}

template <class T>
peephole_status step(peephole_model* model, const T* x, T* y) noexcept {
  return run<T>(model, "x", [&](Stream<T>& stream) {
    const peephole_status status = check_arrays(x, y);
    if (status == PEEPHOLE_OK) stream.step(x, y);
    return status;
  });
}

template <class T>
peephole_status process(peephole_model* model, const T* x, T* y, std::size_t n) noexcept {
  return run<T>(model, "x", [&](Stream<T>& stream) {
    const peephole_status status = check_arrays(x, y);
    if (status != PEEPHOLE_OK) return status;
    if (!addressable<T>(stream, n)) {
      return fail(PEEPHOLE_BAD_ARGUMENT, "n: expected steps that memory can hold, got more");
    }
    stream.process(x, y, static_cast<Index>(n));
    return PEEPHOLE_OK;
  });
}

template <class T>
peephole_status get_state(const peephole_model* model, T* state) noexcept {
  return run<T>(model, "state", [&](const Stream<T>& stream) {
    if (state == nullptr) return null_argument("state");
    for_each_layer(stream, state,
                   [&](Index layer, StateView<T> part) { stream.get_state(layer, part); });
    return PEEPHOLE_OK;
  });
}

template <class T>
peephole_status set_state(peephole_model* model, const T* state) noexcept {
  return run<T>(model, "state", [&](Stream<T>& stream) {
    if (state == nullptr) return null_argument("state");
    for_each_layer(stream, state,
                   [&](Index layer, StateView<const T> part) { stream.set_state(layer, part); });
    return PEEPHOLE_OK;
  });
}

}  // namespace
}  // namespace peephole::c

using namespace peephole;

peephole_status peephole_step(peephole_model* model, const float* x, float* y) {
  return c::step(model, x, y);
}

peephole_status peephole_step_double(peephole_model* model, const double* x, double* y) {
  return c::step(model, x, y);
}

peephole_status peephole_process(peephole_model* model, const float* x, float* y, size_t n) {
  return c::process(model, x, y, n);
}

peephole_status peephole_process_double(peephole_model* model, const double* x, double* y,
                                        size_t n) {
  return c::process(model, x, y, n);
}

void peephole_reset(peephole_model* model) {
  if (model == nullptr) return;
  std::visit([](auto& stream) { stream.reset(); }, model->stream);
}

size_t peephole_state_size(const peephole_model* model) {
  size_t size = 0;
  for (size_t layer = 0; layer < peephole_layers(model); ++layer) {
    size += peephole_recurrent_size(model, layer) + peephole_hidden_size(model, layer);
  }
  return size;
}

peephole_status peephole_get_state(const peephole_model* model, float* state) {
  return c::get_state(model, state);
}

peephole_status peephole_get_state_double(const peephole_model* model, double* state) {
  return c::get_state(model, state);
}

peephole_status peephole_set_state(peephole_model* model, const float* state) {
  return c::set_state(model, state);
}

peephole_status peephole_set_state_double(peephole_model* model, const double* state) {
  return c::set_state(model, state);
}
