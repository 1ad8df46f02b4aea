#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>

#include "peephole/files.hpp"
#include "peephole/peephole.h"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"

/// What the files of the C interface share. Here alone exceptions become codes.
namespace peephole::c {

/// What a model is, beside its sizes. Copies of a model share it.
struct Info {
  const char* format;
  std::string options;
  Metadata metadata;
  double sample_rate;  // Hz; 0: unknown
};

/// Leaves the text for peephole_error().
peephole_status fail(peephole_status status, const char* text) noexcept;
/// The same for an argument that is NULL, and for one of the other number type than the model.
peephole_status null_argument(const char* name) noexcept;
peephole_status other_type(const char* name, bool model_is_double) noexcept;

/// Sets *result to what `make` makes of `from`, the argument of that name.
template <class Result, class F>
peephole_status create(Result** result, const void* from, const char* name, F&& make) noexcept {
  if (result == nullptr) return null_argument("result");
  *result = nullptr;
  try {
    if (from == nullptr) return null_argument(name);
    *result = make();
    return PEEPHOLE_OK;
  } catch (const FileError& error) {
    return fail(PEEPHOLE_BAD_FILE, error.what());
  } catch (const EnvironmentError& error) {
    return fail(PEEPHOLE_BAD_ENVIRONMENT, error.what());
  } catch (const std::invalid_argument& error) {  // what a stream refuses
    return fail(PEEPHOLE_BAD_FILE, error.what());
#ifndef PEEPHOLE_NO_FILES
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(PEEPHOLE_CANNOT_READ, error.what());
#endif
  } catch (const std::bad_alloc&) {
    return fail(PEEPHOLE_NO_MEMORY, "no memory left");
  } catch (const std::exception& error) {
    return fail(PEEPHOLE_FAILED, error.what());
  } catch (...) {
    return fail(PEEPHOLE_FAILED, "an unknown exception");
  }
}

}  // namespace peephole::c

struct peephole_model {
  std::variant<peephole::Stream<float>, peephole::Stream<double>> stream;
  std::shared_ptr<const peephole::c::Info> info;
};

namespace peephole::c {

/// Runs `f` on the stream of `model`, a model or a const one, if it is of T; `name` is that of the
/// argument of that type.
template <class T, class Model, class F>
peephole_status run(Model* model, const char* name, F&& f) noexcept {
  if (model == nullptr) return fail(PEEPHOLE_BAD_ARGUMENT, "model: expected a model, got NULL");
  auto* const stream = std::get_if<Stream<T>>(&model->stream);
  return stream != nullptr ? f(*stream) : other_type(name, std::is_same_v<T, float>);
}

/// Whether x and y of so many steps, of a stream or of sessions, can be addressed.
template <class T, class Steps>
bool addressable(const Steps& of, std::size_t steps) noexcept {
  const auto values = static_cast<std::size_t>(std::max(of.input_size(), of.output_size()));
  return steps <= static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T) / values;
}

/// f(layer, view) for the parts of a state, the values of which are consecutive: of a stream, or of
/// a session.
template <class Steps, class Value, class F>
void for_each_layer(const Steps& of, Value* state, F&& f) noexcept {
  for (Index layer = 0; layer < of.layers(); ++layer) {
    const Index P = of.recurrent_size(layer), H = of.hidden_size(layer);
    f(layer, StateView<Value>{state, state + P, 1, H, P});
    state += P + H;
  }
}

}  // namespace peephole::c
