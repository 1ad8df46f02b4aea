#pragma once

#include "layer/layer.hpp"
#include "peephole/config.hpp"

/// What a network's head reads of the last layer's h: rows of F = D*H features, the forward
/// direction's first. All memory is the caller's.
namespace peephole {

/// How many rows there are: one a real step for Readout::all, otherwise one a sequence that has a
/// step. Those are the first ranks of the schedule.
Index readout_rows(Readout readout, const Schedule& schedule) noexcept;

/// The rows of a caller's array (B, T, O), or (B, 1, O) for all readouts but `all`, that belong to
/// the rows that the head reads, in their order.
template <class T>
class ReadRows {
 public:
  /// The schedule must outlive it.
  ReadRows(Readout readout, const Schedule& schedule, const SequenceView<const T>& array) noexcept
      : reads_all_(readout == Readout::all),
        count_(readout_rows(readout, schedule)),
        schedule_(schedule),
        array_(array) {}

  Index count() const noexcept { return count_; }

  /// Calls use(row, its values) for rows begin <= row < end.
  template <class Use>
  void visit(Index begin, Index end, const Use& use) const {
    Index t = reads_all_ ? schedule_.step_of(begin) : 0;
    for (Index row = begin; row < end; ++row) {
      if (reads_all_ && row == schedule_.offset(t) + schedule_.rows(t)) ++t;
      const Index rank = reads_all_ ? row - schedule_.offset(t) : row;
      use(row, array_.at(schedule_.sequence(rank), t));
    }
  }

  /// Whether the rows are all those of `in_place`.
  bool are_even() const noexcept {
    if (schedule_.batch() == 1) return true;
    return schedule_.in_callers_order() && count_ == array_.batch * array_.time;
  }
  /// The array without padding.
  SequenceView<const T> in_place() const noexcept {
    SequenceView<const T> view = array_;
    if (schedule_.batch() == 1) view.time = count_;
    return view;
  }

 private:
  bool reads_all_;
  Index count_;
  const Schedule& schedule_;
  SequenceView<const T> array_;
};

/// rows (readout_rows, F), overwritten, from h (N, F); for all readouts but `all`, whose rows are
/// those of h. A row's bits depend on nothing but the sequence.
template <class T>
void read_out(Readout readout, const Schedule& schedule, Index directions, Index features,
              Rows<const T> h, T* rows) noexcept;

/// dh (N, F), overwritten, from h and the gradient of the rows.
template <class T>
void read_out_gradient(Readout readout, const Schedule& schedule, Index directions, Index features,
                       Rows<const T> h, const T* drows, Rows<T> dh) noexcept;

}  // namespace peephole
