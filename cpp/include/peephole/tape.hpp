#pragma once

#include <cstddef>
#include <memory>

#include "peephole/export.h"
#include "peephole/types.hpp"

namespace peephole {

/// What a tape keeps of each layer and direction, and what backward computes again.
enum class Keep {
  all,       ///< the activated gates (N, 4H), c (N, H), h (N, P) and the initial state; with layer
             ///< normalisation also what was normalised, (N, 4H) or (N, 8H), and its scales; with
             ///< a clipped projection also h before it is clipped (N, P)
  segments,  ///< h, and the state (B, H) between segments of steps, about sqrt(3 T) of them: a
             ///< sixth of the memory, for one more forward pass within backward. All results have
             ///< the same bits. Gradient checkpointing after T. Chen et al., arXiv:1604.06174.
};

/// The activated gates, cell states and outputs of one layer in one direction, each (B, T, H), but
/// h (B, T, P): where Tape::activities copies them to. Data null: not wanted.
template <class T>
struct Activities {
  SequenceView<T> i, f, g, o, c, h;
};

/// How many values of T a tape in the caller's memory needs: a linear function of the numbers of
/// sequences and steps, so that the memory can be allocated before a call.
struct TapeSize {
  Index per_step, per_sequence, fixed;

  Index values(Index batch, Index time) const noexcept {
    return per_step * batch * time + per_sequence * batch + fixed;
  }
};

/// What a forward pass of a LSTM or a Network over N steps keeps for backward: what Keep says, the
/// layer-0 input (N, I) and, of a network, the head's output.
///
/// Filled by forward; reused by the next forward that it is given to, without allocation when the
/// shapes are no larger. One tape may serve several backward passes, also at the same time.
template <class T>
class PEEPHOLE_API Tape {
 public:
  explicit Tape(Keep keep = Keep::all);
  /// A tape of an LSTM, with Keep::all, in the caller's memory, which must outlive it and have at
  /// least LSTM::tape_size().values(B, T) values. For programs that store or copy a tape as an
  /// array: see LSTM::reopen. Throws std::invalid_argument for a null pointer.
  explicit Tape(Span<T> memory);
  ~Tape();
  Tape(Tape&&) noexcept;
  Tape& operator=(Tape&&) noexcept;

  Index batch() const noexcept;
  Index time() const noexcept;
  Index layers() const noexcept;
  Index directions() const noexcept;
  /// H of a layer.
  Index hidden_size(Index layer) const;
  /// P of a layer, the values of its h.
  Index recurrent_size(Index layer) const;
  /// Bytes of values kept.
  std::size_t bytes() const noexcept;

  /// Copies out what one layer did: 0 beyond a sequence's length. direction: 0 forward, 1 reverse,
  /// whose row t is of step t of the sequence all the same. c and h are those after zoneout.
  ///
  /// Throws std::invalid_argument for a layer or direction that there is not, a wrong shape, and
  /// a tape that does not keep all (Keep::segments) or that no forward pass has filled.
  void activities(Index layer, Index direction, const Activities<T>& activities) const;

  struct PEEPHOLE_HIDDEN Impl;
  Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

extern template class Tape<float>;
extern template class Tape<double>;

}  // namespace peephole
