#include "runtime/verbose.hpp"

#include <cstdlib>
#include <cstring>

namespace peephole {

bool verbose() noexcept {
  static const bool on = [] {
    const char* const value = std::getenv("PEEPHOLE_VERBOSE");
    return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
  }();
  return on;
}

}  // namespace peephole
