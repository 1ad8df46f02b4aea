#pragma once

#include "runtime/isa.hpp"

namespace peephole {

/// The process-wide choice of who computes: the kernels of one instruction set, or the reference
/// path. Another thread may change it at any time, so each call reads it once, at its start, and
/// hands its copy on.
struct IsaChoice {
  /// Where the choice comes from.
  enum class Source { processor, environment, set_isa };

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

}  // namespace peephole
