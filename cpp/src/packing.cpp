#include "packing.hpp"

#include <algorithm>

namespace peephole {

template <class T>
void gather(const Schedule& schedule, SequenceView<const T> sequences, Rows<T> packed) noexcept {
  for (Index t = 0; t < schedule.steps(); ++t) {
    for (Index r = 0; r < schedule.rows(t); ++r) {
      std::copy_n(sequences.at(schedule.sequence(r), t), sequences.features,
                  packed.row(schedule.offset(t) + r));
    }
  }
}

template <class T>
void scatter(const Schedule& schedule, Rows<const T> packed, SequenceView<T> sequences) noexcept {
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
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
