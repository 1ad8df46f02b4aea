#pragma once

#include <vector>

#include "peephole/types.hpp"

namespace peephole {

enum class Direction { forward, reverse };

/// The order in which a ragged batch is computed.
///
/// Sequences are ranked by length, longest first, so that those alive at time t are the first
/// rows(t) ranks. The N real steps of the batch then lie "packed", time by time: row offset(t) + r
/// is step t of the sequence of rank r. Nothing is kept or computed for padding.
///
/// A pass in either direction walks over t and updates, in place, the first rows(t) rows of a (B,
/// H) state in rank order. Going forward, a sequence that has ended keeps its final state there; in
/// reverse, one that has not begun still has its initial state.
class Schedule {
 public:
  /// lengths: empty (all are `time`), or `batch` numbers in 0..time.
  void assign(Index batch, Index time, Span<const Index> lengths);
  /// Steps first <= t < last <= steps() of another schedule, as steps 0, 1, ... of the same ranks.
  void assign(const Schedule& whole, Index first, Index last);

  Index batch() const noexcept { return static_cast<Index>(sequence_.size()); }
  Index time() const noexcept { return time_; }
  /// The caller's time of step 0: not 0 in a part of a schedule.
  Index begin() const noexcept { return begin_; }
  /// T of the longest sequence: steps beyond have no rows.
  Index steps() const noexcept { return static_cast<Index>(offset_.size()) - 1; }
  /// N.
  Index packed_rows() const noexcept { return offset_.back(); }
  Index rows(Index t) const noexcept { return offset_[at(t) + 1] - offset_[at(t)]; }
  Index offset(Index t) const noexcept { return offset_[at(t)]; }
  /// The t of a packed row.
  Index step_of(Index row) const noexcept;
  /// The caller's batch index of rank r.
  Index sequence(Index rank) const noexcept { return sequence_[at(rank)]; }
  Index length(Index rank) const noexcept { return length_[at(rank)]; }
  /// Whether all sequences have all steps: packed rows then are the caller's own, time by time.
  bool even() const noexcept { return packed_rows() == batch() * time_; }
  /// Whether ranks are the caller's own order.
  bool in_callers_order() const noexcept { return in_callers_order_; }

 private:
  static std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

  Index time_ = 0, begin_ = 0;
  bool in_callers_order_ = true;
  std::vector<Index> sequence_, length_;  // (B,) by rank
  std::vector<Index> offset_ = {0};       // (steps + 1,)
};

}  // namespace peephole
