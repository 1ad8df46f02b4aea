#include <cstdio>

#include "api/c_model.hpp"

namespace {

/// A text of fixed length: there may be no memory for another, nor time on a real-time thread.
constexpr std::size_t kLongestError = 1024;
thread_local char last_error[kLongestError] = "";

}  // namespace

peephole_status peephole::c::fail(peephole_status status, const char* text) noexcept {
  std::size_t length = 0;
  for (; length + 1 < kLongestError && text[length] != '\0'; ++length) {
    last_error[length] = text[length];
  }
  last_error[length] = '\0';
  return status;
}

peephole_status peephole::c::null_argument(const char* name) noexcept {
  char text[64];
  std::snprintf(text, sizeof text, "%s: expected a pointer, got NULL", name);
  return fail(PEEPHOLE_BAD_ARGUMENT, text);
}

peephole_status peephole::c::other_type(const char* name, bool model_is_double) noexcept {
  char text[96];
  std::snprintf(text, sizeof text, "%s: expected %s, the model's type, got %s", name,
                model_is_double ? "double" : "float", model_is_double ? "float" : "double");
  return fail(PEEPHOLE_BAD_ARGUMENT, text);
}

const char* peephole_error(void) { return last_error; }

const char* peephole_version(void) { return PEEPHOLE_VERSION_STRING; }
