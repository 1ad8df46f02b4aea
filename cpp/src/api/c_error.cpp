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

const char* peephole_error(void) { return last_error; }

const char* peephole_version(void) { return PEEPHOLE_VERSION_STRING; }
