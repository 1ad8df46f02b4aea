#pragma once

#include "runtime/flush_denormals.hpp"
#include "runtime/phases.hpp"
#include "runtime/threads.hpp"

namespace peephole {

/// Computes the work of one or two directions of a layer (see Phases) on a team. Members are at
/// different directions first, and take part in the other one when theirs is complete.
template <class Work>
void compute_directions(Team& team, Work (&works)[2], int directions) noexcept {
  team.run([&](int member) noexcept {
    const FlushDenormals flush;
    for (int i = 0; i < directions; ++i) {
      Work& work = works[(member + i) % directions];
      work.phases().take_part(work);
    }
  });
}

}  // namespace peephole
