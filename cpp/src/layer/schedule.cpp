#include "layer/schedule.hpp"

#include <algorithm>
#include <numeric>

namespace peephole {

void Schedule::assign(Index batch, Index time, Span<const Index> lengths) {
  time_ = time;
  begin_ = 0;
  sequence_.resize(at(batch));
  std::iota(sequence_.begin(), sequence_.end(), Index{0});
  length_.assign(at(batch), time);
  if (!lengths.empty()) {
    // Ties in the caller's order: ranks, and so every sum over them, do not depend on the library's
    // sort.
    std::stable_sort(sequence_.begin(), sequence_.end(),
                     [&](Index a, Index b) { return lengths[a] > lengths[b]; });
    std::transform(sequence_.begin(), sequence_.end(), length_.begin(),
                   [&](Index sequence) { return lengths[sequence]; });
  }
  in_callers_order_ = std::is_sorted(sequence_.begin(), sequence_.end());

  const Index steps = batch == 0 ? 0 : length_.front();
  offset_.resize(at(steps + 1));
  offset_[0] = 0;
  Index alive = batch;
  for (Index t = 0; t < steps; ++t) {
    while (length_[at(alive - 1)] <= t) --alive;
    offset_[at(t + 1)] = offset_[at(t)] + alive;
  }
}

void Schedule::assign(const Schedule& whole, Index first, Index last) {
  time_ = last - first;
  begin_ = whole.begin_ + first;
  in_callers_order_ = whole.in_callers_order_;
  sequence_ = whole.sequence_;
  length_.resize(whole.length_.size());
  std::transform(whole.length_.begin(), whole.length_.end(), length_.begin(),
                 [&](Index length) { return std::clamp(length, first, last) - first; });
  offset_.resize(at(time_ + 1));
  std::transform(whole.offset_.begin() + first, whole.offset_.begin() + last + 1, offset_.begin(),
                 [&](Index offset) { return offset - whole.offset(first); });
}

Index Schedule::step_of(Index row) const noexcept {
  return std::upper_bound(offset_.begin(), offset_.end(), row) - offset_.begin() - 1;
}

}  // namespace peephole
