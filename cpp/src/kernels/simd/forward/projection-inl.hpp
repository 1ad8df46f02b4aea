#pragma once

#include "kernels/plain/forward_pass.hpp"
#include "kernels/simd/tile-inl.hpp"

/// b + W x, ahead of the recurrence. Where single steps have too few rows to fill a tile, those of
/// many steps do, and W is read once for all of them (200 steps of one row, I = 256, H = 512: 1.6
/// times faster).
namespace peephole::kernels {
namespace {

struct Range {
  Index begin, end;
};

/// Takes the rows of a pass one by one.
template <class T>
class PassRows {
 public:
  PassRows(const ForwardPass<T>& pass, Index step) : pass_(pass), step_(step) {}

  Index step() const { return step_; }
  /// Where the row's x is, in elements.
  Index x() const { return pass_.steps[step_].x + row_ * pass_.x_stride; }
  void next() {
    if (++row_ < pass_.steps[step_].rows) return;
    row_ = 0;
    ++step_;
  }

 private:
  const ForwardPass<T>& pass_;
  Index step_;
  Index row_ = 0;
};

/// Steps begin <= s < end, of one panel.
template <class V, class T = typename V::Scalar>
void project_panel(const ForwardPass<T>& pass, Index begin, Index end, Index panel) {
  const ForwardWeights<T>& w = pass.weights;
  const Sums<const T> bias = {w.bias + panel * kPanelRow<V>, 0};
  const T* const weights = w.panel + panel * w.terms * kPanelRow<V>;
  Sums<T> to = {pass.projected + panel * kPanelRow<V>, w.panels * kPanelRow<V>};
  PassRows<T> rows(pass, begin);
  while (rows.step() < end) {
    // As many as lie evenly spaced: all of them, but in ragged batches.
    const Index first = rows.x();
    Index count = 0, spacing = 0;
    for (; rows.step() < end && count < kTileRows<V>; ++count) {
      if (count == 1) spacing = rows.x() - first;
      if (rows.x() != first + count * spacing) break;
      rows.next();
    }
    const Factors<T> x = {pass.x + first, spacing, pass.input_size};
    with_constant<kTileRows<V>>(count, [&](auto r) {
      multiply<V, r.value, 1, Begin::value>(bias, &x, 0, x.size, weights, 0, to);
    });
    to.data += count * to.stride;
  }
}

/// Fills pass.projected for the steps from s up to the one returned, of the given panels. Returns s
/// where there is nothing to gain.
template <class V, class T = typename V::Scalar>
Index project(const ForwardPass<T>& pass, Index s, Range panels) {
  Index end = s, rows = 0;
  while (end < pass.step_count && pass.steps[end].rows < kTileRows<V> &&
         rows + pass.steps[end].rows <= kChunkRows) {
    rows += pass.steps[end++].rows;
  }
  if (end <= s + 1) return s;
  for (Index p = panels.begin; p < panels.end; ++p) project_panel<V>(pass, s, end, p);
  return end;
}

}  // namespace
}  // namespace peephole::kernels
