#include "layer/rows.hpp"

#include <algorithm>

#include "base/dual.hpp"

namespace peephole {
namespace {

/// Whether one sequence lies in the caller's array just as its packed rows do.
template <class T, class U>
bool lies_packed(const Schedule& schedule, const SequenceView<T>& sequences, Rows<U> packed) {
  return schedule.batch() == 1 && sequences.time_stride == sequences.features &&
         packed.stride == sequences.features;
}

}  // namespace

template <class T>
void gather(const Schedule& schedule, SequenceView<const T> sequences, Rows<T> packed) noexcept {
  if (lies_packed(schedule, sequences, packed)) {
    std::copy_n(sequences.data, schedule.packed_rows() * sequences.features, packed.data);
    return;
  }
  for (Index t = 0; t < schedule.steps(); ++t) {
    for (Index r = 0; r < schedule.rows(t); ++r) {
      std::copy_n(sequences.at(schedule.sequence(r), t), sequences.features,
                  packed.row(schedule.offset(t) + r));
    }
  }
}

template <class T>
void scatter(const Schedule& schedule, Rows<const T> packed, SequenceView<T> sequences) noexcept {
  if (lies_packed(schedule, sequences, packed)) {
    const Index real = schedule.packed_rows() * sequences.features;
    std::copy_n(packed.data, real, sequences.data);
    std::fill_n(sequences.data + real, sequences.time * sequences.features - real, T{0});
    return;
  }
  for (Index r = 0; r < schedule.batch(); ++r) {
    const Index b = schedule.sequence(r);
    for (Index t = 0; t < schedule.length(r); ++t) {
      std::copy_n(packed.row(schedule.offset(t) + r), sequences.features, sequences.at(b, t));
    }
    for (Index t = schedule.length(r); t < sequences.time; ++t) {
      std::fill_n(sequences.at(b, t), sequences.features, T{0});
    }
  }
}

template <class T>
void gather_state(const Schedule& schedule, Index H, const T* state, T* ranked) noexcept {
  if (state == nullptr) {
    std::fill_n(ranked, schedule.batch() * H, T{0});
    return;
  }
  for (Index r = 0; r < schedule.batch(); ++r) {
    std::copy_n(state + schedule.sequence(r) * H, H, ranked + r * H);
  }
}

template <class T>
void scatter_state(const Schedule& schedule, Index H, const T* ranked, T* state) noexcept {
  for (Index r = 0; r < schedule.batch(); ++r) {
    std::copy_n(ranked + r * H, H, state + schedule.sequence(r) * H);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                    \
  template void gather(const Schedule&, SequenceView<const T>, Rows<T>) noexcept;  \
  template void scatter(const Schedule&, Rows<const T>, SequenceView<T>) noexcept; \
  template void gather_state(const Schedule&, Index, const T*, T*) noexcept;       \
  template void scatter_state(const Schedule&, Index, const T*, T*) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
