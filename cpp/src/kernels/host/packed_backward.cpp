#include "kernels/host/packed_backward.hpp"

#include <algorithm>

#include "base/arithmetic.hpp"
#include "kernels/host/table.hpp"

namespace peephole::kernels {
namespace {

/// With fewer rows, packing does not pay: it reads and writes each weight once, a row reads it
/// once.
constexpr Index kRowsWorthPacking = 6;

/// The layout of a packed (rows, columns) matrix; data is set later.
template <class T>
ColumnGroups<T> packed_shape(Index rows, Index columns, Index lanes) {
  const Index row = std::min(kGates * lanes, round_up(columns, lanes));
  return {nullptr, rows * row, row, true, columns};
}

template <class T>
Index packed_size(const ColumnGroups<T>& groups, Index columns) {
  return round_up(columns, groups.row_stride) / groups.row_stride * groups.group_stride;
}

template <class T>
T* pack_groups(const T* matrix, Index rows, Index columns, ColumnGroups<T>& groups, T* to) {
  groups.data = to;
  const Index row = groups.row_stride;
  for (Index first = 0; first < columns; first += row) {
    const Index width = std::min(row, columns - first);
    for (Index m = 0; m < rows; ++m, to += row) {
      const T* const from = matrix + m * columns + first;
      std::fill(std::copy(from, from + width, to), to + row, T(0));
    }
  }
  return to;
}

template <class T>
T* pack_columns(const T* matrix, Index rows, Index columns, Index stride, T* to) {
  for (Index i = 0; i < columns; ++i, to += stride) {
    for (Index m = 0; m < rows; ++m) to[m] = matrix[m * columns + i];
    std::fill(to + rows, to + stride, T(0));
  }
  return to;
}

}  // namespace

bool worth_packing(const Schedule& schedule) noexcept {
  return schedule.packed_rows() >= kRowsWorthPacking;
}

template <class T>
void PackedBackward<T>::pack(const LayerSpec& spec, const LayerWeights<const T>& weights, Isa isa) {
  isa_ = isa;
  const Index H = spec.hidden_size, I = spec.input_size, rows = kGates * H;
  const Index P = spec.recurrent_size();
  const Index lanes = lanes_of<T>(isa);
  const bool dense = spec.peephole == Peephole::dense, narrow = I <= kNarrowInput;
  const bool diagonal = spec.peephole == Peephole::diagonal;

  view_ = {};
  view_.weight_hh = packed_shape<T>(rows, P, lanes);
  if (dense) view_.weight_ch = packed_shape<T>(rows, H, lanes);
  if (spec.projection_size) view_.weight_hr = packed_shape<T>(P, H, lanes);
  if (!narrow) view_.weight_ih = packed_shape<T>(rows, I, lanes);
  const Index stride = round_up(rows, lanes);
  Index state_size = packed_size(view_.weight_hh, P);
  if (dense) state_size += packed_size(view_.weight_ch, H);
  if (spec.projection_size) state_size += packed_size(view_.weight_hr, H);
  const Index input_size =
      narrow ? round_up(I * stride, kLineValues<T>) : packed_size(view_.weight_ih, I);
  T* to = storage_.reserve(input_size + state_size + (diagonal ? rows : 0));

  to = pack_groups(weights.weight_hh, rows, P, view_.weight_hh, to);
  if (spec.projection_size) to = pack_groups(weights.weight_hr, P, H, view_.weight_hr, to);
  if (dense) to = pack_groups(weights.weight_ch, rows, H, view_.weight_ch, to);
  if (narrow) {
    view_.weight_ih_columns = to;
    to = pack_columns(weights.weight_ih, rows, I, stride, to);
  } else {
    to = pack_groups(weights.weight_ih, rows, I, view_.weight_ih, to);
  }
  if (diagonal) {
    view_.diagonal = to;
    std::copy(weights.weight_ch, weights.weight_ch + rows, to);
  }
}

template <class T>
void PackedBackward<T>::refer(const LayerSpec& spec, const LayerWeights<const T>& weights,
                              Isa isa) {
  isa_ = isa;
  const Index H = spec.hidden_size, I = spec.input_size, P = spec.recurrent_size();
  const Index group = kGates * lanes_of<T>(isa);
  view_ = {};
  view_.weight_ih = {weights.weight_ih, group, I, false, I};
  view_.weight_hh = {weights.weight_hh, group, P, false, P};
  if (spec.peephole == Peephole::dense) view_.weight_ch = {weights.weight_ch, group, H, false, H};
  if (spec.projection_size) view_.weight_hr = {weights.weight_hr, group, H, false, H};
  if (spec.peephole == Peephole::diagonal) view_.diagonal = weights.weight_ch;
}

template class PackedBackward<float>;
template class PackedBackward<double>;

}  // namespace peephole::kernels
