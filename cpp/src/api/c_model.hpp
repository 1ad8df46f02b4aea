#pragma once

#include <cstddef>
#include <cstdio>
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

/// Sets *result to what `make` makes of `from`, the argument of that name.
template <class Result, class F>
peephole_status create(Result** result, const void* from, const char* name, F&& make) noexcept {
  if (result == nullptr) return fail(PEEPHOLE_BAD_ARGUMENT, "result: expected a pointer, got NULL");
  *result = nullptr;
  try {
    if (from == nullptr) {
      const std::string text = std::string(name) + ": expected a pointer, got NULL";
      return fail(PEEPHOLE_BAD_ARGUMENT, text.c_str());
    }
    *result = make();
    return PEEPHOLE_OK;
  } catch (const FileError& error) {
    return fail(PEEPHOLE_BAD_FILE, error.what());
  } catch (const EnvironmentError& error) {
    return fail(PEEPHOLE_BAD_ENVIRONMENT, error.what());
  } catch (const std::invalid_argument& error) {  // what a stream refuses
    return fail(PEEPHOLE_BAD_FILE, error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(PEEPHOLE_CANNOT_READ, error.what());
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
  if (stream != nullptr) return f(*stream);
  char text[96];
  const bool narrow = std::is_same_v<T, float>;
  std::snprintf(text, sizeof text, "%s: expected %s, the model's type, got %s", name,
                narrow ? "double" : "float", narrow ? "float" : "double");
  return fail(PEEPHOLE_BAD_ARGUMENT, text);
}

}  // namespace peephole::c
