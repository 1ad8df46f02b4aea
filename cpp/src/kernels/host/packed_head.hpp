#pragma once

#include "base/buffer.hpp"
#include "kernels/host/table.hpp"

namespace peephole::kernels {

/// A matrix (terms, columns), packed for the head's kernels of one instruction set: see
/// head_task.hpp.
template <class T>
class PackedHead {
 public:
  /// The value of a term and column is at from[term * term_stride + column * column_stride].
  /// Replaces earlier contents, reusing their memory.
  void pack(const T* from, Index term_stride, Index column_stride, Index terms, Index columns,
            Isa isa);

  /// Valid until the next pack().
  const T* data() const noexcept { return storage_.data(); }

 private:
  Buffer<T> storage_;
};

extern template class PackedHead<float>;
extern template class PackedHead<double>;

}  // namespace peephole::kernels
