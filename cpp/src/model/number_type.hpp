#pragma once

#include <cstdint>

#include "peephole/config.hpp"

namespace peephole {

/// f(0), with a 0 of the type that parameters of this NumberType have in a model over T.
template <class T, class F>
decltype(auto) with_number(NumberType type, F&& f) {
  switch (type) {
    case NumberType::int8: return f(std::int8_t{0});
    case NumberType::int16: return f(std::int16_t{0});
    case NumberType::real: break;
  }
  return f(T{0});
}

}  // namespace peephole
