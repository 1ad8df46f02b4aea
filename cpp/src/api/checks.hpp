#pragma once

#include <string>

#include "peephole/lstm.hpp"

/// What every public call is checked for, once, at the border. All throw std::invalid_argument.
namespace peephole {

template <class T>
void check_shape(const char* argument, const SequenceView<T>& view, Index batch, Index time,
                 Index features);

void check_lengths(Span<const Index> lengths, Index batch, Index time);

/// states: empty, or one per layer and direction with both pointers set.
template <class T>
void check_states(const char* argument, Span<const StateView<T>> states, const LSTMConfig& config,
                  Index batch);

/// That a pass which draws has something to draw from.
void check_seed(const LSTMConfig& config, std::optional<std::uint64_t> seed);

/// That N rows of 4H gates, the largest arrays of a pass, can be addressed.
void check_extent(const LSTMConfig& config, Index batch, Index time);

}  // namespace peephole
