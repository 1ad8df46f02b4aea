#include "api/checks.hpp"

#include <algorithm>
#include <limits>

#include "base/dual.hpp"
#include "base/errors.hpp"

namespace peephole {
namespace {

std::string dimension(Index size, const char* name) {
  return size < 0 ? name : std::to_string(size);
}

/// "(8, 20, 12)"; a negative dimension stands for its name, "(batch, time, 12)".
std::string expected_shape(Index batch, Index time, Index features) {
  return "(" + dimension(batch, "batch") + ", " + dimension(time, "time") + ", " +
         dimension(features, "features") + ")";
}

/// "h and c (8, 20)", "h (8, 10) and c (8, 20)"
std::string state_text(Index batch, Index recurrent_size, Index hidden_size) {
  const std::string h =
      recurrent_size == hidden_size ? std::string() : " " + shape_text({batch, recurrent_size});
  return "h" + h + " and c " + shape_text({batch, hidden_size});
}

}  // namespace

void check_extent(const LSTMConfig& config, Index batch, Index time) {
  const Index H = *std::max_element(config.hidden_sizes.begin(), config.hidden_sizes.end());
  const Index widest = std::max(config.input_size, 2 * kGates * H);  // below 2^31: see validate
  const Index most_rows = std::numeric_limits<Index>::max() / (widest * Index{sizeof(double)});
  if (batch > 0 && time > most_rows / batch) {
    refuse("x", "at most " + std::to_string(most_rows) + " steps in all",
           shape_text({batch, time, config.input_size}));
  }
}

void check_lengths(Span<const Index> lengths, Index batch, Index time) {
  if (lengths.empty()) return;
  if (lengths.size != batch) {
    refuse("lengths", shape_text({batch}), shape_text({lengths.size}));
  }
  for (Index b = 0; b < batch; ++b) {
    if (lengths[b] < 0 || lengths[b] > time) {
      refuse("lengths", "integers in 0.." + std::to_string(time),
             std::to_string(lengths[b]) + " at index " + std::to_string(b));
    }
  }
}

template <class T>
void check_shape(const char* argument, const SequenceView<T>& view, Index batch, Index time,
                 Index features) {
  const auto fits = [](Index expected, Index got) { return expected < 0 || expected == got; };
  const bool negative = view.batch < 0 || view.time < 0 || view.features < 0;
  if (negative || !fits(batch, view.batch) || !fits(time, view.time) ||
      !fits(features, view.features)) {
    refuse(argument, expected_shape(batch, time, features),
           shape_text({view.batch, view.time, view.features}));
  }
  if (view.data == nullptr && view.batch > 0 && view.time > 0) {
    refuse(argument, "data of shape " + shape_text({view.batch, view.time, view.features}),
           "a null pointer");
  }
}

template <class T>
void check_states(const char* argument, Span<const StateView<T>> states, const LSTMConfig& config,
                  Index batch) {
  if (states.empty()) return;
  const Index count = config.layers() * config.directions();
  if (states.size != count) {
    refuse(argument,
           std::to_string(count) + " pairs (h, c), one per layer" +
               (config.bidirectional ? " and direction" : ""),
           std::to_string(states.size));
  }
  for (Index k = 0; k < count; ++k) {
    const StateView<T>& state = states[k];
    const Index layer = k / config.directions(), P = config.recurrent_size(layer);
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    const std::string name = std::string(argument) + "[" + std::to_string(k) + "]";
    if (state.batch != batch || state.hidden_size != H || state.recurrent_size() != P) {
      refuse(name, state_text(batch, P, H),
             state_text(state.batch, state.recurrent_size(), state.hidden_size));
    }
    if (batch > 0 && (state.h == nullptr || state.c == nullptr)) {
      refuse(name, "h and c", "a null pointer");
    }
  }
}

template <class T>
void check_inputs(const LSTMConfig& config, const Call<T>& call) {
  const Index B = call.x.batch, time = call.x.time;
  check_shape("x", call.x, -1, -1, config.input_size);
  check_extent(config, B, time);
  check_lengths(call.lengths, B, time);
  check_states("state", call.initial, config, B);
}

template <class T>
void check_forward(const LSTMConfig& config, const Call<T>& call, const Outputs<T>& outputs,
                   Index steps_out, Index values_out) {
  const Index B = call.x.batch, time = call.x.time;
  check_inputs(config, call);
  if (steps_out < 0) steps_out = time;
  check_shape("y", outputs.y, B, steps_out, values_out);
  check_states("final", outputs.final, config, B);
  if (outputs.logits.data != nullptr) {
    check_shape("logits", outputs.logits, B, steps_out, values_out);
  }
}

template <class T>
void check_gradients(const LSTMConfig& config, Index batch, Index time, Index flat_size,
                     Span<T> dparameters, const InputGradients<T>& inputs) {
  if (dparameters.size != flat_size || dparameters.data == nullptr) {
    refuse("dparameters", shape_text({flat_size}), shape_text({dparameters.size}));
  }
  if (inputs.x.data != nullptr) check_shape("dx", inputs.x, batch, time, config.input_size);
  check_states("dinitial", inputs.initial, config, batch);
}

void check_seed(const LSTMConfig& config, std::optional<std::uint64_t> seed) {
  if (config.regularised() && !seed) {
    refuse("seed", "one, which a model with dropout, recurrent_dropout or zoneout needs", "none");
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                        \
  template void check_shape(const char*, const SequenceView<T>&, Index, Index, Index); \
  template void check_states(const char*, Span<const StateView<T>>, const LSTMConfig&, Index);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(const float)
PEEPHOLE_INSTANTIATE(const double)
PEEPHOLE_INSTANTIATE(Dual)
PEEPHOLE_INSTANTIATE(const Dual)
#undef PEEPHOLE_INSTANTIATE

#define PEEPHOLE_INSTANTIATE(T)                                                                    \
  template void check_inputs(const LSTMConfig&, const Call<T>&);                                   \
  template void check_forward(const LSTMConfig&, const Call<T>&, const Outputs<T>&, Index, Index); \
  template void check_gradients(const LSTMConfig&, Index, Index, Index, Span<T>,                   \
                                const InputGradients<T>&);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
