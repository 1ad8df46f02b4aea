#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "peephole/lstm.hpp"

/// What every public call is checked for, once, at the border. All throw std::invalid_argument.
namespace peephole {

template <class T>
void check_shape(const char* argument, const SequenceView<T>& view, Index batch, Index time,
                 Index features);

/// Empty, or one of 0..time per sequence.
void check_lengths(Span<const Index> lengths, Index batch, Index time);

/// That N rows of the largest arrays of a pass can be addressed.
void check_extent(const LSTMConfig& config, Index batch, Index time);

/// What a call reads.
template <class T>
void check_inputs(const LSTMConfig& config, const Call<T>& call);

/// A call over `steps_out` steps of `outputs` values (of y and logits); steps_out -1: as x has.
template <class T>
void check_forward(const LSTMConfig& config, const Call<T>& call, const Outputs<T>& outputs,
                   Index steps_out, Index values_out);

/// states: empty, or one per layer and direction, of the right size and with both pointers set.
template <class T>
void check_states(const char* argument, Span<const StateView<T>> states, const LSTMConfig& config,
                  Index batch);

/// What backward overwrites, for x (batch, time, I).
template <class T>
void check_gradients(const LSTMConfig& config, Index batch, Index time, Index flat_size,
                     Span<T> dparameters, const InputGradients<T>& inputs);

/// That a pass which draws has something to draw from.
void check_seed(const LSTMConfig& config, std::optional<std::uint64_t> seed);

}  // namespace peephole
