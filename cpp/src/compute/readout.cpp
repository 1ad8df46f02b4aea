#include "compute/readout.hpp"

#include <algorithm>
#include <cmath>

#include "base/dual.hpp"

namespace peephole {
namespace {

/// The packed row of step t of rank r.
Index row_of(const Schedule& schedule, Index r, Index t) noexcept { return schedule.offset(t) + r; }

/// The steps whose h is final: of the forward direction each sequence's last, of the reverse one
/// the first.
Index final_step(const Schedule& schedule, Index r, Index direction) noexcept {
  return direction == 0 ? schedule.length(r) - 1 : 0;
}

/// Features that are gone through together, so that rows are read once and in order.
constexpr Index kBlock = 64;

template <class T>
void mean(const Schedule& schedule, Index r, Index F, Rows<const T> h, T* row) noexcept {
  const Index steps = schedule.length(r);
  for (Index first = 0; first < F; first += kBlock) {
    const Index count = std::min(kBlock, F - first);
    Exact<T> sums[kBlock] = {};
    for (Index t = 0; t < steps; ++t) {
      const T* const values = h.row(row_of(schedule, r, t)) + first;
      for (Index k = 0; k < count; ++k) sums[k] += static_cast<Exact<T>>(values[k]);
    }
    for (Index k = 0; k < count; ++k) {
      row[first + k] = static_cast<T>(sums[k] / static_cast<double>(steps));
    }
  }
}

/// Calls take(k, the largest value of feature k, its first step); of NaN, the first.
template <class T, class Take>
void largest(const Schedule& schedule, Index r, Index F, Rows<const T> h, Take&& take) noexcept {
  using std::isnan;
  for (Index first = 0; first < F; first += kBlock) {
    const Index count = std::min(kBlock, F - first);
    T best[kBlock] = {};
    Index step[kBlock] = {};
    std::copy_n(h.row(row_of(schedule, r, 0)) + first, count, best);
    for (Index t = 1; t < schedule.length(r); ++t) {
      const T* const values = h.row(row_of(schedule, r, t)) + first;
      for (Index k = 0; k < count; ++k) {
        const bool found_nan = isnan(values[k]) && !isnan(best[k]);
        if (!(values[k] > best[k]) && !found_nan) continue;
        best[k] = values[k];
        step[k] = t;
      }
    }
    for (Index k = 0; k < count; ++k) take(first + k, best[k], step[k]);
  }
}

}  // namespace

Index readout_rows(Readout readout, const Schedule& schedule) noexcept {
  if (readout == Readout::all) return schedule.packed_rows();
  return schedule.steps() == 0 ? 0 : schedule.rows(0);
}

template <class T>
void read_out(Readout readout, const Schedule& schedule, Index directions, Index features,
              Rows<const T> h, T* rows) noexcept {
  const Index n = readout_rows(readout, schedule), H = features / directions;
  for (Index r = 0; r < n; ++r) {
    T* const row = rows + r * features;
    switch (readout) {
      case Readout::all: break;
      case Readout::last:
        for (Index d = 0; d < directions; ++d) {
          const T* const from = h.row(row_of(schedule, r, final_step(schedule, r, d)));
          std::copy_n(from + d * H, H, row + d * H);
        }
        break;
      case Readout::mean: mean(schedule, r, features, h, row); break;
      case Readout::max:
        largest(schedule, r, features, h, [row](Index k, T value, Index) { row[k] = value; });
        break;
    }
  }
}

template <class T>
void read_out_gradient(Readout readout, const Schedule& schedule, Index directions, Index features,
                       Rows<const T> h, const T* drows, Rows<T> dh) noexcept {
  const Index n = readout_rows(readout, schedule), H = features / directions;
  for (Index row = 0; row < schedule.packed_rows(); ++row) std::fill_n(dh.row(row), features, T{0});
  for (Index r = 0; r < n; ++r) {
    const T* const drow = drows + r * features;
    switch (readout) {
      case Readout::all: break;
      case Readout::last:
        for (Index d = 0; d < directions; ++d) {
          T* const to = dh.row(row_of(schedule, r, final_step(schedule, r, d)));
          std::copy_n(drow + d * H, H, to + d * H);
        }
        break;
      case Readout::mean:
        for (Index t = 0; t < schedule.length(r); ++t) {
          T* const to = dh.row(row_of(schedule, r, t));
          const auto steps = static_cast<T>(schedule.length(r));
          for (Index k = 0; k < features; ++k) to[k] = drow[k] / steps;
        }
        break;
      case Readout::max:
        largest(schedule, r, features, h,
                [&](Index k, T, Index t) { dh.row(row_of(schedule, r, t))[k] = drow[k]; });
        break;
    }
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                                    \
  template void read_out(Readout, const Schedule&, Index, Index, Rows<const T>, T*) noexcept;      \
  template void read_out_gradient(Readout, const Schedule&, Index, Index, Rows<const T>, const T*, \
                                  Rows<T>) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
