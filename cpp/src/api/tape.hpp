#pragma once

#include "peephole/tape.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
struct Tape<T>::Impl {
  StackTape<T> stack;
  // Of a network:
  Buffer<T> x;       // (N, I), with a dense layer before the stack, whose output is in `stack`
  Index x_size = 0;  // N * I; 0 without that layer
  bool has_head = false;
  Rows<const T> top = {};  // (N, F): the stack's output, inside `stack`
  Buffer<T> y;             // (n, O): of the rows that the head read
  Index y_size = 0;        // n * O

  /// For the pass that fills it next.
  void set_up(bool of_network, std::uint64_t seed) noexcept {
    has_head = of_network;
    x_size = y_size = 0;
    stack.filled.reset();
    stack.seed = seed;
    stack.feeds_head = of_network;
  }
};

/// Throws std::invalid_argument where `tape` is not of a training pass, of a network if has_head,
/// with `parameters` as they are now.
template <class T>
void check_tape(const typename Tape<T>::Impl& tape, bool has_head, const Parameters<T>& parameters);

}  // namespace peephole
