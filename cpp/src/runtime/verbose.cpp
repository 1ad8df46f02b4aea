#include "runtime/verbose.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace peephole {

bool verbose() noexcept {
  static std::atomic<int> known{-1};
  int on = known;
  if (on < 0) {
    const char* const value = std::getenv("PEEPHOLE_VERBOSE");
    on = value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
    known = on;
  }
  return on != 0;
}

}  // namespace peephole
