#pragma once

#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <variant>

#include "peephole/files.hpp"
#include "peephole/peephole.h"
#include "peephole/stream.hpp"

/// What the files of the C interface share. Here alone exceptions become codes.
namespace peephole::c {

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
  double sample_rate = 0;  // of a .nam file that says it
};
