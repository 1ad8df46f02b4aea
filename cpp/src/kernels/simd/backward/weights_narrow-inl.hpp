#pragma once

#include "kernels/simd/backward/inputs-inl.hpp"

/// Gradients of weights whose inputs would leave vectors mostly empty.
namespace peephole::kernels {
namespace {

/// A share of a (4H, width) gradient, summed as (width, columns_stride): the vectors are taken
/// along da.
template <class V>
class NarrowGradient {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

 public:
  NarrowGradient(const Inputs<V>& inputs, Index width, const ProductShare& share)
      : inputs_(inputs),
        task_(inputs.task),
        chunk_(inputs.chunk),
        width_(width),
        columns_(kGates * task_.hidden_size),
        first_group_((columns_ + kGroup - 1) / kGroup * share.nth / share.count),
        last_group_((columns_ + kGroup - 1) / kGroup * (share.nth + 1) / share.count),
        gathered_(task_.inputs + share.thread * task_.inputs_size) {}

  /// Adds the gradient of this chunk to `sums`; after the last chunk, writes `gradient`.
  void run(T* sums, T* gradient) const {
    for (Index row = 0; row < chunk_.rows; row += kProductRows) {
      const Index end = min_index(row + kProductRows, chunk_.rows);
      inputs_.gather(row, end, 0, width_, gathered_);
      for (Index group = first_group_; group < last_group_; ++group) block(row, end, group, sums);
    }
    if (&chunk_ != task_.chunks + task_.chunk_count - 1) return;
    const Index end = min_index(last_group_ * kGroup, columns_);
    for (Index column = first_group_ * kGroup; column < end; ++column) {
      for (Index i = 0; i < width_; ++i) {
        gradient[column * width_ + i] = sums[i * task_.columns_stride + column];
      }
    }
  }

 private:
  void block(Index row, Index end, Index group, T* sums) const {
    const Index column = group * kGroup, width = min_index(kGroup, columns_ - column);
    const Index vectors = (width + kLanes - 1) / kLanes, tiles = (width_ + kRows - 1) / kRows;
    const Index inputs_stride = (width_ + kLanes - 1) / kLanes * kLanes;
    // Rows of da are padded to whole lines. What the last vector has beyond them ends up in sums
    // that are not read.
    const Right<T> right = {task_.da.data + row * task_.da.row_stride + column, task_.da.row_stride,
                            0, kLanes};
    const Onto onto =
        chunk_.first == 0 && row == 0 && !task_.accumulate ? Onto::nothing : Onto::after;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index i = width_ * nth / tiles, last = width_ * (nth + 1) / tiles;
      const Left<T> left = {gathered_ + i, inputs_stride};
      const Result<T> result = {sums + i * task_.columns_stride + column, task_.columns_stride,
                                kLanes};
      with_constant<kRows>(last - i, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, true, false>(left, right, end - row, onto, result);
        });
      });
    }
  }

  const Inputs<V>& inputs_;
  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const Index width_, columns_, first_group_, last_group_;
  T* const gathered_;  // (kProductRows, kGroup)
};

}  // namespace
}  // namespace peephole::kernels
