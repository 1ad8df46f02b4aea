#include <algorithm>

#include "base/arithmetic.hpp"
#include "base/errors.hpp"
#include "stack/stack.hpp"

namespace peephole {
namespace {

/// One array of a tape: how many values it has for each step of each sequence, and for each
/// sequence.
template <class T>
struct TapeArray {
  Buffer<T>& buffer;
  Index per_step, per_sequence;
};

/// In the order in which they lie in a caller's memory.
template <class T>
std::vector<TapeArray<T>> arrays_of(const LSTMConfig& config, StackTape<T>& tape) {
  const Index D = config.directions();
  tape.h.resize(at(config.layers()));
  tape.layers.resize(at(config.layers() * D));
  std::vector<TapeArray<T>> arrays{{tape.x, config.input_size, 0}};
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[at(layer)], P = config.recurrent_size(layer);
    arrays.push_back({tape.h[at(layer)], D * P, 0});
    for (Index d = 0; d < D; ++d) {
      auto& kept = tape.layers[at(layer * D + d)];
      arrays.push_back({kept.gates, kGates * H, 0});
      arrays.push_back({kept.c, H, 0});
      if (config.preactivation_clip) arrays.push_back({kept.clipped, H, 0});
      if (config.layer_norm) {
        arrays.push_back({kept.normalised, normalised_size(config.layer_norm, H), 0});
        arrays.push_back({kept.scales, normalised_groups(config.layer_norm), 0});
      }
      if (config.projection_clip) arrays.push_back({kept.unclipped, P, 0});
      arrays.push_back({kept.initial_h, 0, P});
      arrays.push_back({kept.initial_c, 0, H});
    }
  }
  return arrays;
}

}  // namespace

template <class T>
TapeSize tape_size(const LSTMConfig& config) {
  StackTape<T> tape;
  TapeSize size{0, 0, 0};
  for (const TapeArray<T>& array : arrays_of(config, tape)) {
    size.per_step += array.per_step;
    size.per_sequence += array.per_sequence;
    size.fixed += kLineValues<T>;  // at most as much lies between an array and the next
  }
  return size;
}

template <class T>
void check_memory(const LSTMConfig& config, Index batch, Index time, Span<T> memory) {
  if (memory.data == nullptr) return;
  const TapeSize size = tape_size<T>(config);
  // Divided, since a product may be too large for an Index.
  const Index left = memory.size - size.fixed;
  const Index most_sequences = left < 0 ? -1 : left / size.per_sequence;
  if (batch > most_sequences ||
      (batch > 0 && time > (left - batch * size.per_sequence) / size.per_step / batch)) {
    refuse("tape",
           "memory of tape_size().values(" + std::to_string(batch) + ", " + std::to_string(time) +
               ") values",
           std::to_string(memory.size));
  }
}

template <class T>
void place(const LSTMConfig& config, StackTape<T>& tape) {
  const Index B = tape.schedule.batch(), steps = B * tape.schedule.time();
  // Places depend on the sizes alone, so that the memory may be copied to another address.
  Index begin = 0;
  for (const TapeArray<T>& array : arrays_of(config, tape)) {
    const Index values = array.per_step * steps + array.per_sequence * B;
    array.buffer.borrow(tape.memory.data + begin, values);
    begin += round_up(values, kLineValues<T>);
  }
}

template <class T>
void clear_unused(const LSTMConfig& config, StackTape<T>& tape) {
  const Index B = tape.schedule.batch(), N = tape.schedule.packed_rows();
  T* const end = tape.memory.data + tape.memory.size;
  T* last = tape.memory.data;  // up to which all is used or cleared
  for (const TapeArray<T>& array : arrays_of(config, tape)) {
    std::fill(last, array.buffer.data(), T{0});
    last = array.buffer.data() + array.per_step * N + array.per_sequence * B;
  }
  std::fill(last, end, T{0});
}

#define PEEPHOLE_INSTANTIATE(T)                                         \
  template TapeSize tape_size<T>(const LSTMConfig&);                    \
  template void check_memory(const LSTMConfig&, Index, Index, Span<T>); \
  template void place(const LSTMConfig&, StackTape<T>&);                \
  template void clear_unused(const LSTMConfig&, StackTape<T>&);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
