#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// b + W x, ahead of the recurrence. Single steps may have too few rows to fill a tile; the rows of
/// many steps do, and W is read once for all of them (200 steps of one row, I = 256, H = 512: 1.6
/// times faster).
namespace peephole::kernels {
namespace {

struct Range {
  Index begin, end;
};

/// Iterates over the rows of a task.
template <class T>
class TaskRows {
 public:
  TaskRows(const ForwardTask<T>& task, Index step) : task_(task), step_(step) {}

  Index step() const { return step_; }
  /// Where the row's x is, in elements.
  Index x() const { return task_.steps[step_].x + row_ * task_.x_stride; }
  void next() {
    if (++row_ < task_.steps[step_].rows) return;
    row_ = 0;
    ++step_;
  }

 private:
  const ForwardTask<T>& task_;
  Index step_;
  Index row_ = 0;
};

/// Steps begin <= s < end, of one panel.
template <class V, class T = typename V::Scalar>
void project_panel(const ForwardTask<T>& task, Index begin, Index end, Index panel) {
  const ForwardWeights<T>& w = task.weights;
  const Sums<const T> bias = {w.bias + panel * kPanelRow<V>, 0};
  const T* const weights = w.panel + panel * w.terms * kPanelRow<V>;
  Sums<T> to = {task.projected + panel * kPanelRow<V>, w.panels * kPanelRow<V>};
  TaskRows<T> rows(task, begin);
  while (rows.step() < end) {
    // As many rows as are evenly spaced: all of them, except in ragged batches.
    const Index first = rows.x();
    Index count = 0, spacing = 0;
    for (; rows.step() < end && count < kTileRows<V>; ++count) {
      if (count == 1) spacing = rows.x() - first;
      if (rows.x() != first + count * spacing) break;
      rows.next();
    }
    const Factors<T> x = {task.x + first, spacing, task.input_size};
    with_constant<kTileRows<V>>(count, [&](auto r) {
      multiply<V, r.value, 1>(Begin::value, bias, &x, 0, x.size, weights, 0, to);
    });
    to.data += count * to.stride;
  }
}

/// The steps from s on that have fewer rows than a tile, up to kChunkRows rows: up to the one
/// returned.
template <class T>
Index steps_ahead(const ForwardTask<T>& task, Index s, Index tile_rows) {
  Index end = s, rows = 0;
  while (end < task.step_count && task.steps[end].rows < tile_rows &&
         rows + task.steps[end].rows <= kChunkRows) {
    rows += task.steps[end++].rows;
  }
  return end;
}

/// Fills task.projected for the steps from s up to the one returned, for the given panels. Returns
/// s if there is nothing to gain.
template <class V, class T = typename V::Scalar>
Index project(const ForwardTask<T>& task, Index s, Range panels) {
  const Index end = steps_ahead(task, s, kTileRows<V>);
  if (end <= s + 1) return s;
  for (Index p = panels.begin; p < panels.end; ++p) project_panel<V>(task, s, end, p);
  return end;
}

}  // namespace
}  // namespace peephole::kernels
