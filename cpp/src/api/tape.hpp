#pragma once

#include <stdexcept>

#include "peephole/lstm.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
struct Tape<T>::Impl {
  StackRecord<T> record;
};

/// Throws std::invalid_argument where `record` is not of a training pass with `parameters` as they
/// are now.
template <class T>
void check_tape(const StackRecord<T>& record, const Parameters<T>& parameters) {
  if (!record.training || record.identity != parameters.identity()) {
    throw std::invalid_argument(
        "tape: expected one that this model's forward filled, got another's");
  }
  if (record.writes != parameters.writes()) {
    throw std::invalid_argument(
        "tape: expected one of the current parameters, got one from before they were changed");
  }
}

}  // namespace peephole
