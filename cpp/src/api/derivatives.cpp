#include "peephole/derivatives.hpp"

#include <string>

#include "api/checks.hpp"
#include "api/dual_arrays.hpp"
#include "api/tape.hpp"
#include "base/errors.hpp"
#include "layer/rows.hpp"
#include "peephole/network.hpp"

/// jvp and backward_jvp: the same model over dual numbers computes what forward and backward do.
namespace peephole {
namespace {

const LSTMConfig& stack_of(const LSTMConfig& config) noexcept { return config; }
const LSTMConfig& stack_of(const NetworkConfig& config) noexcept { return config.lstm; }

/// The steps and the features of y.
Index steps_of_y(const LSTMConfig&, Index time) noexcept { return time; }
Index steps_of_y(const NetworkConfig& config, Index time) noexcept {
  return config.readout == Readout::all ? time : 1;
}
Index features_of_y(const LSTMConfig& config) noexcept { return config.output_size(); }
Index features_of_y(const NetworkConfig& config) noexcept { return config.output_size; }

constexpr bool has_logits(const LSTMConfig&) noexcept { return false; }
constexpr bool has_logits(const NetworkConfig&) noexcept { return true; }

/// Of each layer and direction.
std::vector<StateSize> state_sizes(const LSTMConfig& config) {
  std::vector<StateSize> sizes;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    sizes.insert(sizes.end(), static_cast<std::size_t>(config.directions()),
                 {H, config.recurrent_size(layer)});
  }
  return sizes;
}

void check_flat(const std::string& argument, Index size, Index flat_size) {
  if (size != 0 && size != flat_size) {
    refuse(argument, shape_text({flat_size}), shape_text({size}));
  }
}

template <class T>
void check_tangents(const LSTMConfig& config, const Tangents<T>& tangents, Index batch, Index time,
                    Index flat_size) {
  if (tangents.x.data != nullptr) {
    check_shape("tangents.x", tangents.x, batch, time, config.input_size);
  }
  check_states("tangents.state", tangents.initial, config, batch);
  check_flat("tangents.parameters", tangents.parameters.size, flat_size);
}

/// `of`: "values" or "derivatives".
template <class T, class Config>
void check_outputs(const std::string& of, const Config& config, const Outputs<T>& outputs,
                   Index batch, Index time) {
  const Index steps = steps_of_y(config, time), features = features_of_y(config);
  if (outputs.y.data != nullptr) {
    check_shape((of + ".y").c_str(), outputs.y, batch, steps, features);
  }
  check_states((of + ".final").c_str(), outputs.final, stack_of(config), batch);
  if (outputs.logits.data == nullptr) return;
  if (!has_logits(config)) refuse(of + ".logits", "none, of a model without a head", "some");
  check_shape((of + ".logits").c_str(), outputs.logits, batch, steps, features);
}

template <class T, class Config>
void check_results(const std::string& of, const Config& config, const PassResults<T>& results,
                   Index batch, Index time, Index flat_size) {
  check_outputs(of, config, results.outputs, batch, time);
  check_flat(of + ".dparameters", results.dparameters.size, flat_size);
  if (results.inputs.x.data != nullptr) {
    check_shape((of + ".dx").c_str(), results.inputs.x, batch, time, stack_of(config).input_size);
  }
  check_states((of + ".dinitial").c_str(), results.inputs.initial, stack_of(config), batch);
}

/// What: "" or "_tangent", after the names dy and dstate.
template <class T, class Config>
void check_gradient(const std::string& what, const Config& config, const Gradient<T>& gradient,
                    Index batch, Index time) {
  if (gradient.is_of_logits() && !has_logits(config)) {
    refuse("gradient" + what, "one of y, for a model without a head", "logits");
  }
  const std::string name = (gradient.is_of_logits() ? "dlogits" : "dy") + what;
  check_shape(name.c_str(), gradient.outputs(), batch, steps_of_y(config, time),
              features_of_y(config));
  check_states(("dstate" + what).c_str(), gradient.final(), stack_of(config), batch);
}

/// A model over dual numbers, and its passes.
template <template <class> class Model, class Config>
class DualPasses {
 public:
  template <class T>
  DualPasses(const Config& config, const Parameters<T>& parameters, Span<const T> tangents,
             Index batch, Index time)
      : config_(config),
        model_(config, uninitialised),
        sizes_(state_sizes(stack_of(config))),
        y_(batch, steps_of_y(config, time), features_of_y(config)),
        logits_(has_logits(config) ? batch : 0, steps_of_y(config, time), features_of_y(config)),
        final_(batch, sizes_) {
    join_parameters(parameters, tangents, model_.parameters());
  }

  template <class T>
  void forward(const Call<T>& call, const Tangents<T>& tangents,
               std::optional<std::uint64_t> seed) {
    const DualSequences x(call.x, tangents.x);
    const bool learned =
        stack_of(config_).initial_state == InitialState::learned && call.initial.empty();
    if (learned && !tangents.initial.empty()) {
      refuse("tangents", "none of the initial state, which is learned here", "some");
    }
    const DualStates initial(call.x.batch, sizes_, call.initial, tangents.initial);
    Span<const StateView<const Dual>> given;
    if (!learned) given = initial.read();
    Outputs<Dual> outputs{y_.view(), final_.views()};
    if (has_logits(config_)) outputs.logits = logits_.view();
    model_.forward({x.read(), call.lengths, given}, outputs, tape_, seed);
  }

  template <class T>
  void give(const Outputs<T>& values, const Outputs<T>& derivatives) const noexcept {
    y_.give(values.y, derivatives.y);
    final_.give(values.final, derivatives.final);
    if (has_logits(config_)) logits_.give(values.logits, derivatives.logits);
  }

  /// After forward.
  template <class T>
  void backward(const Gradient<T>& gradient, const std::optional<Gradient<T>>& tangents,
                const Parameters<T>& parameters, const PassResults<T>& values,
                const PassResults<T>& derivatives) {
    const Index B = tape_.batch(), time = tape_.time();
    const DualSequences upstream(gradient.outputs(),
                                 tangents ? tangents->outputs() : SequenceView<const T>{});
    const DualStates dfinal(B, sizes_, gradient.final(),
                            tangents ? tangents->final() : Span<const StateView<const T>>{});
    const bool wants_x = values.inputs.x.data != nullptr || derivatives.inputs.x.data != nullptr;
    const DualSequences dx(wants_x ? B : 0, time, stack_of(config_).input_size);
    const DualStates dinitial(B, sizes_);
    const Parameters<Dual>& own = model_.parameters();
    std::vector<Dual> dparameters(static_cast<std::size_t>(own.flat_size()));
    model_.backward(tape_,
                    gradient.is_of_logits()
                        ? Gradient<Dual>::of_logits(upstream.read(), dfinal.read())
                        : Gradient<Dual>::of_y(upstream.read(), dfinal.read()),
                    dparameters, {wants_x ? dx.view() : SequenceView<Dual>{}, dinitial.views()});
    if (wants_x) dx.give(values.inputs.x, derivatives.inputs.x);
    dinitial.give(values.inputs.initial, derivatives.inputs.initial);
    split_parameters(own, dparameters.data(), parameters, values.dparameters,
                     derivatives.dparameters);
  }

 private:
  const Config& config_;
  Model<Dual> model_;
  std::vector<StateSize> sizes_;
  DualSequences y_, logits_;
  DualStates final_;
  Tape<Dual> tape_;
};

/// x of the call that filled a tape, (N, I).
template <class T>
const T* x_rows(const typename Tape<T>::Impl& tape) noexcept {
  return tape.x_size > 0 ? tape.x.data() : tape.stack.x.data();
}

/// What the call that filled a tape was given, in the caller's order.
template <class T>
class KeptCall {
 public:
  /// x: its rows (N, I).
  KeptCall(const LSTMConfig& config, const StackTape<T>& tape, const T* x)
      : x_(contiguous(
            memory_.reserve(tape.schedule.batch() * tape.schedule.time() * config.input_size),
            tape.schedule.batch(), tape.schedule.time(), config.input_size)),
        lengths_(static_cast<std::size_t>(tape.schedule.batch())) {
    const Schedule& schedule = tape.schedule;
    scatter(schedule, Rows<const T>{x, config.input_size}, x_);
    for (Index rank = 0; rank < schedule.batch(); ++rank) {
      lengths_[static_cast<std::size_t>(schedule.sequence(rank))] = schedule.length(rank);
    }
    if (config.initial_state == InitialState::learned && !tape.initial_given) return;
    const std::vector<StateSize> sizes = state_sizes(config);
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      const auto [H, P] = sizes[k];
      const Index B = schedule.batch();
      states_.emplace_back();
      T* const h = states_.back().reserve(B * (H + P));
      T* const c = h + B * P;
      scatter_state(schedule, P, tape.layers[k].initial_h.data(), h);
      scatter_state(schedule, H, tape.layers[k].initial_c.data(), c);
      views_.push_back({h, c, B, H, P});
    }
  }

  Call<T> call() const noexcept {
    return {contiguous<const T>(x_.data, x_.batch, x_.time, x_.features), lengths_, views_};
  }

 private:
  Buffer<T> memory_;
  SequenceView<T> x_;
  std::vector<Index> lengths_;
  std::vector<Buffer<T>> states_;
  std::vector<StateView<const T>> views_;
};

template <template <class> class Model, class Config, class T>
void jvp_of(const Config& config, const Parameters<T>& parameters, const Call<T>& call,
            const Tangents<T>& tangents, const Outputs<T>& values, const Outputs<T>& derivatives,
            std::optional<std::uint64_t> seed) {
  const LSTMConfig& stack = stack_of(config);
  const Index B = call.x.batch, time = call.x.time;
  check_inputs(stack, call);
  check_seed(stack, seed);
  check_tangents(stack, tangents, B, time, parameters.flat_size());
  check_outputs("values", config, values, B, time);
  check_outputs("derivatives", config, derivatives, B, time);
  DualPasses<Model, Config> passes(config, parameters, tangents.parameters, B, time);
  passes.forward(call, tangents, seed);
  passes.give(values, derivatives);
}

template <template <class> class Model, class Config, class T>
void backward_jvp_of(const Config& config, const Parameters<T>& parameters, const Tape<T>& tape,
                     const Gradient<T>& gradient, const Tangents<T>& tangents,
                     const std::optional<Gradient<T>>& gradient_tangents,
                     const PassResults<T>& values, const PassResults<T>& derivatives) {
  const LSTMConfig& stack = stack_of(config);
  const Index B = tape.batch(), time = tape.time();
  check_tape(tape.impl(), has_logits(config), parameters);
  check_gradient("", config, gradient, B, time);
  if (gradient_tangents) {
    check_gradient("_tangent", config, *gradient_tangents, B, time);
    if (gradient_tangents->is_of_logits() != gradient.is_of_logits()) {
      refuse("gradient_tangents", "the tangent of the gradient of the same results",
             gradient.is_of_logits() ? "that of y" : "that of the logits");
    }
  }
  check_tangents(stack, tangents, B, time, parameters.flat_size());
  check_results("values", config, values, B, time, parameters.flat_size());
  check_results("derivatives", config, derivatives, B, time, parameters.flat_size());
  const KeptCall<T> kept(stack, tape.impl().stack, x_rows<T>(tape.impl()));
  DualPasses<Model, Config> passes(config, parameters, tangents.parameters, B, time);
  passes.forward(kept.call(), tangents, tape.impl().stack.seed);
  passes.backward(gradient, gradient_tangents, parameters, values, derivatives);
  passes.give(values.outputs, derivatives.outputs);
}

}  // namespace

template <class T>
void LSTM<T>::jvp(const Call<T>& call, const Tangents<T>& tangents, const Outputs<T>& values,
                  const Outputs<T>& derivatives, std::optional<std::uint64_t> seed) const {
  jvp_of<LSTM>(config(), parameters(), call, tangents, values, derivatives, seed);
}

template <class T>
void LSTM<T>::backward_jvp(const Tape<T>& tape, const Gradient<T>& gradient,
                           const Tangents<T>& tangents,
                           const std::optional<Gradient<T>>& gradient_tangents,
                           const PassResults<T>& values, const PassResults<T>& derivatives) const {
  backward_jvp_of<LSTM>(config(), parameters(), tape, gradient, tangents, gradient_tangents, values,
                        derivatives);
}

template <class T>
void Network<T>::jvp(const Call<T>& call, const Tangents<T>& tangents, const Outputs<T>& values,
                     const Outputs<T>& derivatives, std::optional<std::uint64_t> seed) const {
  jvp_of<Network>(config(), parameters(), call, tangents, values, derivatives, seed);
}

template <class T>
void Network<T>::backward_jvp(const Tape<T>& tape, const Gradient<T>& gradient,
                              const Tangents<T>& tangents,
                              const std::optional<Gradient<T>>& gradient_tangents,
                              const PassResults<T>& values,
                              const PassResults<T>& derivatives) const {
  backward_jvp_of<Network>(config(), parameters(), tape, gradient, tangents, gradient_tangents,
                           values, derivatives);
}

#define PEEPHOLE_INSTANTIATE_OF(Model, T)                                                        \
  template void Model<T>::jvp(const Call<T>&, const Tangents<T>&, const Outputs<T>&,             \
                              const Outputs<T>&, std::optional<std::uint64_t>) const;            \
  template void Model<T>::backward_jvp(const Tape<T>&, const Gradient<T>&, const Tangents<T>&,   \
                                       const std::optional<Gradient<T>>&, const PassResults<T>&, \
                                       const PassResults<T>&) const;
PEEPHOLE_INSTANTIATE_OF(LSTM, float)
PEEPHOLE_INSTANTIATE_OF(LSTM, double)
PEEPHOLE_INSTANTIATE_OF(Network, float)
PEEPHOLE_INSTANTIATE_OF(Network, double)
#undef PEEPHOLE_INSTANTIATE_OF

}  // namespace peephole
