#include "kernels/host/packed_head.hpp"

#include <algorithm>

#include "base/arithmetic.hpp"

namespace peephole::kernels {

template <class T>
void PackedHead<T>::pack(const T* from, Index term_stride, Index column_stride, Index terms,
                         Index columns, Isa isa) {
  const Index width = head_kernels_of<T>(isa).group_columns;
  T* to = storage_.reserve(round_up(columns, width) * terms);
  for (Index first = 0; first < columns; first += width) {
    const Index count = std::min(width, columns - first);
    for (Index term = 0; term < terms; ++term, to += width) {
      const T* const row = from + term * term_stride + first * column_stride;
      for (Index c = 0; c < count; ++c) to[c] = row[c * column_stride];
      std::fill(to + count, to + width, T{0});
    }
  }
}

template class PackedHead<float>;
template class PackedHead<double>;

}  // namespace peephole::kernels
