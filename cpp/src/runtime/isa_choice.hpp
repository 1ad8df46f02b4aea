#pragma once

#include <type_traits>

#include "runtime/isa.hpp"

namespace peephole {

/// The process-wide choice of who computes: the kernels of one instruction set, or the reference
/// path. Another thread may change it at any time, so each call reads it once, at its start, and
/// hands its copy on.
struct IsaChoice {
  /// Where the choice comes from; numbers: there are no kernels for their type.
  enum class Source { processor, environment, set_isa, numbers };

  bool kernels = true;      // false: the reference path
  Isa isa = Isa::baseline;  // of the kernels
  Source source = Source::processor;
};

/// Whether both choose the same code, wherever they come from.
inline bool same_kernels(const IsaChoice& a, const IsaChoice& b) noexcept {
  return a.kernels == b.kernels && (!a.kernels || a.isa == b.isa);
}

/// The choice at this moment.
IsaChoice chosen_isa();

/// The same for a pass over values of type T: the kernels are for float and double alone.
template <class T>
IsaChoice chosen_isa_for() {
  if constexpr (std::is_floating_point_v<T>) {
    return chosen_isa();
  } else {
    return {false, Isa::baseline, IsaChoice::Source::numbers};
  }
}

}  // namespace peephole
