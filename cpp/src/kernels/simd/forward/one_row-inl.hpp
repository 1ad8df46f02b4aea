#pragma once

#include <type_traits>

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/cell-inl.hpp"
#include "kernels/simd/forward/projection-inl.hpp"
#include "kernels/simd/two_chains-inl.hpp"

/// The forward pass of one sequence through few units, where only latency counts: the state stays
/// in registers or L1 from step to step. The results have the same bits as those of Forward.
namespace peephole::kernels {
namespace {

/// Whether OneRowForward can compute a task: all steps have one row, and the sums two chains. It
/// does not note which gates were clipped.
template <class T>
bool one_row_of_few_units(const ForwardTask<T>& task, const TeamPart& team) {
  const ForwardWeights<T>& w = task.weights;
  return task.step_count > 0 && task.clipped == nullptr && task.steps[0].rows == 1 &&
         task.steps[task.step_count - 1].rows == 1 && team.parts == 1 &&
         w.second_chain < task.input_size + task.hidden_size &&
         w.terms == task.input_size + task.hidden_size && w.dense_output == nullptr &&
         w.projection == nullptr;
}

/// P panels.
template <class V, int P, class Sigma>
class OneRowForward {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  // With so few columns, W x costs less within its step than ahead of the recurrence.
  static constexpr Index kNarrowInput = 8;

 public:
  explicit OneRowForward(const ForwardTask<T>& task)
      : task_(task),
        w_(task.weights),
        sigma_(task),
        hidden_(task.hidden_size),
        gates_together_(task.standard && gates_alike(task)) {}

  void run() const {
    alignas(64) T h[P * kLanes];
    V c[P];
    for (int p = 0; p < P; ++p) {
      V::load(task_.state_h + p * kLanes, units(p)).store(h + p * kLanes);
      c[p] = V::load(task_.state_c + p * kLanes, units(p));
    }
    const bool ahead = task_.input_size > kNarrowInput;
    for (Index s = 0; s < task_.step_count;) {
      const Index end = ahead ? project<V>(task_, s, {0, P}) : s;
      const T* projected = task_.projected;
      for (; s < end; ++s, projected += P * kPanelRow<V>) step(task_.steps[s], projected, h, c);
      if (s < task_.step_count && end <= s) step(task_.steps[s++], nullptr, h, c);
    }
    for (int p = 0; p < P; ++p) {
      V::load(h + p * kLanes).store(task_.state_h + p * kLanes, units(p));
      c[p].store(task_.state_c + p * kLanes, units(p));
    }
  }

 private:
  Index units(int p) const { return p == P - 1 ? hidden_ - p * kLanes : kLanes; }

  /// projected: b + W x; null: W x is not computed yet.
  [[gnu::always_inline]] void step(const ForwardStep& now, const T* projected, T* h,
                                   V (&c)[P]) const {
    const RowTerms<T> row = {projected != nullptr ? projected : w_.bias,
                             projected != nullptr ? nullptr : task_.x + now.x, task_.input_size, h};
    Cell<V> y[P];
    cells(row, c, y);
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      c[p] = y[p].c;
      y[p].h.store(h + p * kLanes);
      y[p].h.store(task_.h + now.h + p * kLanes, units(p));
      if (task_.gates == nullptr) continue;
      const Index unit = p * kLanes;
      store_training<V>(
          y[p], {units(p), nullptr, nullptr, nullptr, nullptr, task_.c + now.row * hidden_ + unit,
                 task_.gates + now.row * kGates * hidden_ + unit, hidden_});
    }
  }

  [[gnu::always_inline]] void cells(const RowTerms<T>& row, const V (&c)[P],
                                    Cell<V> (&y)[P]) const {
    V sums[P][kGates];
    if constexpr (V::quarters && P == 2) {
      if (w_.narrow != nullptr) {
        V narrow;
        two_chains_narrow(w_, row, sums[0], narrow);
        const T* const narrow_diagonal = w_.diagonal + kPanelRow<V>;
        const OpenCell<V> wide = open_cell(task_, sigma_, sums[0], w_.diagonal, c[0]);
        if constexpr (std::is_same_v<Sigma, StandardActivations>) {
          if (gates_together_) {
            const auto open =
                open_quarters(task_, narrow, narrow_diagonal, c[1].template quarter<0>());
            y[0] = sigma_.close(wide);
            const auto part = sigma_.close(open);
            y[1] = {V::widen(part.i), V::widen(part.f), V::widen(part.g),
                    V::widen(part.o), V::widen(part.c), V::widen(part.h)};
            return;
          }
        }
        split_quarters(narrow, sums[1]);
        const OpenCell<V> open = open_cell(task_, sigma_, sums[1], narrow_diagonal, c[1]);
        y[0] = sigma_.close(wide);
        y[1] = sigma_.close(open);
        return;
      }
    }
    two_chains(w_, row, sums);
    OpenCell<V> open[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      open[p] = open_cell(task_, sigma_, sums[p], w_.diagonal + p * kPanelRow<V>, c[p]);
    }
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) y[p] = sigma_.close(open[p]);
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const Sigma sigma_;
  const Index hidden_;
  const bool gates_together_;
};

}  // namespace
}  // namespace peephole::kernels
