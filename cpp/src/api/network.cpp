#include "peephole/network.hpp"

#include <algorithm>
#include <utility>

#include "api/checks.hpp"
#include "api/tape.hpp"
#include "base/errors.hpp"
#include "compute/dense_input.hpp"
#include "compute/head.hpp"
#include "compute/readout.hpp"
#include "layer/rows.hpp"
#include "runtime/flush_denormals.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
struct Network<T>::Impl {
  NetworkConfig config;
  HeadSpec head;
  std::shared_ptr<Stack<T>> stack;
  std::shared_ptr<LSTM<T>> lstm;
  Index weight, bias;  // of the head, in specs()
  HeadPacks<T> packs;
  std::optional<DenseInputSpec> input;  // the dense layer before the stack
  Index input_weight, input_bias;       // of that layer, in specs()
  HeadPacks<T> input_packs;

  template <class U>
  HeadWeights<U> weights_in(U* flat) const noexcept {
    return {flat + stack->parameters().offset(weight), flat + stack->parameters().offset(bias)};
  }
  HeadWeights<const T> weights() const noexcept {
    return weights_in(ParametersAccess<T>::flat(stack->parameters()));
  }
  template <class U>
  HeadWeights<U> input_weights_in(U* flat) const noexcept {
    return {flat + stack->parameters().offset(input_weight),
            flat + stack->parameters().offset(input_bias)};
  }
  HeadWeights<const T> input_weights() const noexcept {
    return input_weights_in(ParametersAccess<T>::flat(stack->parameters()));
  }
  std::uint64_t revision() const noexcept {
    return ParametersAccess<T>::revision(stack->parameters());
  }

  bool reads_all() const noexcept { return config.readout == Readout::all; }
  /// The steps of y for x of `time` steps.
  Index steps_out(Index time) const noexcept { return reads_all() ? time : 1; }

  /// The rows that the head reads: those of `top` (N, F) themselves, or others made in `memory`.
  Rows<const T> read(const Schedule& schedule, Rows<const T> top, Buffer<T>& memory) const {
    if (reads_all()) return top;
    const Index F = head.input_size;
    T* const rows = memory.reserve(readout_rows(config.readout, schedule) * F);
    read_out(config.readout, schedule, config.lstm.directions(), F, top, rows);
    return {rows, F};
  }

  /// `rows` (readout_rows, O) to the caller's array, 0 where nothing was read.
  void give(const Schedule& schedule, const T* rows, SequenceView<T> y) const noexcept {
    const Index O = head.output_size, n = readout_rows(config.readout, schedule);
    if (reads_all()) return scatter(schedule, Rows<const T>{rows, O}, y);
    for (Index r = 0; r < schedule.batch(); ++r) {
      T* const target = y.at(schedule.sequence(r), 0);
      if (r < n) {
        std::copy_n(rows + r * O, O, target);
      } else {
        std::fill_n(target, O, T{0});
      }
    }
  }

  void check_call(const Call<T>& call, const Outputs<T>& outputs) const {
    check_forward(config.lstm, call, outputs, reads_all() ? -1 : 1, head.output_size);
    if (input) check_extent(stack->config(), call.x.batch, call.x.time);
  }

  /// The stack's output, in `tape`. x_rows: where the rows of x are left, with a dense layer before
  /// the stack.
  Rows<const T> run_stack(const Call<T>& call, Span<const StateView<T>> final, StackTape<T>& tape,
                          Mode mode, Buffer<T>& x_rows) {
    if (!input) return stack->forward_rows(call, final, tape, mode);
    stack->begin(call, tape, mode);
    const Index N = tape.schedule.packed_rows(), I = config.lstm.input_size;
    const Rows<T> x{x_rows.reserve(N * I), I};
    gather(tape.schedule, call.x, x);
    const Head<T> product =
        input_packs.forward(input->product, input_weights(), backend_for(tape.isa), revision());
    dense_input_forward(*input, product, Rows<const T>{x.data, I}, N,
                        tape.x.reserve(N * input->product.output_size));
    return stack->forward_filled(call, final, tape, mode);
  }

  /// The stack's backward pass, and that of the dense layer before it.
  void backward_stack(const typename Tape<T>::Impl& kept, Rows<const T> dtop,
                      Span<const StateView<const T>> dfinal, const InputGradients<T>& inputs,
                      T* dparameters, IsaChoice isa) {
    if (!input) return stack->backward(kept.stack, dtop, dfinal, inputs, dparameters, isa);
    const Index N = kept.stack.schedule.packed_rows(), I = config.lstm.input_size;
    const Index D = input->product.output_size;
    const auto du = stack->borrow_rows(), dx = stack->borrow_rows();
    const Rows<T> du_rows{du->reserve(N * D), D};
    stack->backward(kept.stack, dtop, dfinal, {{}, inputs.initial}, dparameters, isa, du_rows);

    const bool wants_x = inputs.x.data != nullptr;
    const Rows<T> dx_rows{wants_x ? dx->reserve(N * I) : nullptr, I};
    Head<T> product = {input->product, input_weights(), backend_for(isa), nullptr};
    if (wants_x) {
      product = input_packs.backward(input->product, product.weights, product.backend, revision());
    }
    dense_input_backward(*input, product, Rows<const T>{kept.x.data(), I}, kept.stack.x.data(),
                         du_rows.data, N, dx_rows, input_weights_in(dparameters));
    if (wants_x) {
      scatter(kept.stack.schedule, Rows<const T>{dx_rows.data, I}, inputs.x);
    }
    ParametersAccess<T>::mask_gradients(stack->parameters(), dparameters);
  }

  Head<T> forward_head(const StackTape<T>& tape) {
    return packs.forward(head, weights(), backend_for(tape.isa), revision());
  }

  /// Whether the head can write y itself: its activation is the identity, and y has no padding.
  bool writes_in_place(const Schedule& schedule, const Outputs<T>& outputs) const noexcept {
    return reads_all() && head.activation == HeadActivation::identity && schedule.even() &&
           outputs.logits.data == nullptr;
  }

  /// Whether head_gradients can read the caller's dlogits itself.
  bool reads_in_place(const ReadRows<T>& gradient, bool is_of_logits) const noexcept {
    return (is_of_logits || head.activation == HeadActivation::identity) && gradient.are_even();
  }

  /// y and logits of `top`; `rows` is where (readout_rows, O) of y are left.
  void run_head(const StackTape<T>& tape, Rows<const T> top, T* rows, const Outputs<T>& outputs) {
    const Schedule& schedule = tape.schedule;
    const Index n = readout_rows(config.readout, schedule);
    const auto memory = stack->borrow_rows();
    head_logits(forward_head(tape), read(schedule, top, *memory), n,
                Rows<T>{rows, head.output_size});
    if (outputs.logits.data != nullptr) give(schedule, rows, outputs.logits);
    head_activate(head, rows, n, rows);
    give(schedule, rows, outputs.y);
  }

  /// A checked call, whose values are kept.
  void fill(const Call<T>& call, const Outputs<T>& outputs, typename Tape<T>::Impl& kept,
            std::uint64_t seed, Mode mode) {
    if (kept.stack.memory.data != nullptr) {
      refuse("tape", "one with memory of its own, for a network", "one in the caller's memory");
    }
    const FlushDenormals flush;
    kept.set_up(/*has_head=*/true, seed);
    kept.top = run_stack(call, outputs.final, kept.stack, mode, kept.x);
    const Schedule& schedule = kept.stack.schedule;
    if (input) kept.x_size = schedule.packed_rows() * config.lstm.input_size;
    kept.y_size = readout_rows(config.readout, schedule) * head.output_size;
    run_head(kept.stack, kept.top, kept.y.reserve(kept.y_size), outputs);
  }
};

template <class T>
Network<T>::Network(const NetworkConfig& config, std::uint64_t seed, Initialisation recurrent)
    : Network(config, uninitialised) {
  initialise(*this, seed, recurrent);
}

template <class T>
Network<T>::Network(const NetworkConfig& config, Uninitialised) : impl_(std::make_unique<Impl>()) {
  validate(config);
  const auto parameters = std::make_shared<Parameters<T>>(parameter_specs(config));
  impl_->stack = std::make_shared<Stack<T>>(config.stack(), parameters);
  impl_->lstm.reset(new LSTM<T>(impl_->stack));
  impl_->config = config;
  impl_->config.lstm = impl_->stack->config();  // with the defaults filled in
  impl_->config.lstm.input_size = config.lstm.input_size;
  impl_->head = {config.lstm.output_size(), config.output_size, config.head};
  impl_->weight = parameters->find("head.weight");
  impl_->bias = parameters->find("head.bias");
  impl_->input_weight = parameters->find("input.weight");
  impl_->input_bias = parameters->find("input.bias");
  if (config.input_dense_size) {
    impl_->input = {{config.lstm.input_size, *config.input_dense_size, HeadActivation::identity},
                    config.input_activation};
  }
}

template <class T>
Network<T>::~Network() {}  // GCC cannot instantiate a defaulted one by itself
template <class T>
Network<T>::Network(Network&&) noexcept = default;
template <class T>
Network<T>& Network<T>::operator=(Network&&) noexcept = default;

template <class T>
const NetworkConfig& Network<T>::config() const noexcept {
  return impl_->config;
}

template <class T>
Parameters<T>& Network<T>::parameters() noexcept {
  return impl_->stack->parameters();
}

template <class T>
const Parameters<T>& Network<T>::parameters() const noexcept {
  return impl_->stack->parameters();
}

template <class T>
std::shared_ptr<LSTM<T>> Network<T>::lstm() const noexcept {
  return impl_->lstm;
}

template <class T>
void Network<T>::infer(const Call<T>& call, const Outputs<T>& outputs) const {
  impl_->check_call(call, outputs);
  const FlushDenormals flush;
  const Stack<T>& stack = *impl_->stack;
  const auto tape = stack.borrow_tape();
  const auto output = stack.borrow_rows();
  // The head's rows may take the memory of those of x.
  const Rows<const T> top = impl_->run_stack(call, outputs.final, *tape, Mode::inference, *output);
  if (impl_->writes_in_place(tape->schedule, outputs)) {
    return head_logits(impl_->forward_head(*tape), top, outputs.y);
  }
  const Index n = readout_rows(impl_->config.readout, tape->schedule);
  impl_->run_head(*tape, top, output->reserve(n * impl_->head.output_size), outputs);
}

template <class T>
void Network<T>::forward(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape,
                         std::optional<std::uint64_t> seed) const {
  impl_->check_call(call, outputs);
  check_seed(impl_->config.lstm, seed);
  impl_->fill(call, outputs, tape.impl(), seed.value_or(0), Mode::training);
}

template <class T>
void Network<T>::trace(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape) const {
  impl_->check_call(call, outputs);
  impl_->fill(call, outputs, tape.impl(), /*seed=*/0, Mode::trace);
}

template <class T>
void Network<T>::backward(const Tape<T>& tape, const Gradient<T>& gradient, Span<T> dparameters,
                          const InputGradients<T>& inputs) const {
  const typename Tape<T>::Impl& kept = tape.impl();
  const LSTMConfig& config = impl_->config.lstm;
  const Index B = tape.batch(), time = tape.time();
  check_tape(kept, /*has_head=*/true, parameters());
  check_shape(gradient.is_of_logits() ? "dlogits" : "dy", gradient.outputs(), B,
              impl_->steps_out(time), impl_->head.output_size);
  check_states("dstate", gradient.final(), config, B);
  check_gradients(config, B, time, parameters().flat_size(), dparameters, inputs);

  const FlushDenormals flush;
  const Stack<T>& stack = *impl_->stack;
  const Schedule& schedule = kept.stack.schedule;
  const Readout readout = impl_->config.readout;
  const Index n = readout_rows(readout, schedule), F = impl_->head.input_size;
  const auto dlogits = stack.borrow_rows(), read = stack.borrow_rows(), dread = stack.borrow_rows(),
             dtop = stack.borrow_rows();
  T* const dtop_rows = dtop->reserve(schedule.packed_rows() * F);
  T* const dread_rows = impl_->reads_all() ? dtop_rows : dread->reserve(n * F);
  const IsaChoice isa = chosen_isa_for<T>();
  const Head<T> head =
      impl_->packs.backward(impl_->head, impl_->weights(), backend_for(isa), impl_->revision());
  const Rows<const T> h = impl_->read(schedule, kept.top, *read);
  const Rows<T> dh = {dread_rows, F};
  const HeadWeights<T> dweights = impl_->weights_in(dparameters.data);
  const ReadRows<T> given(readout, schedule, gradient.outputs());
  if (impl_->reads_in_place(given, gradient.is_of_logits())) {
    head_gradients(head, h, given.in_place(), dh, dweights);
  } else {
    T* const ds = dlogits->reserve(n * impl_->head.output_size);
    const T* const y = gradient.is_of_logits() ? nullptr : kept.y.data();
    head_activation_gradient(impl_->head, y, given, ds);
    head_gradients(head, h, ds, n, dh, dweights);
  }
  if (!impl_->reads_all()) {
    read_out_gradient(readout, schedule, config.directions(), F, kept.top, dread_rows,
                      Rows<T>{dtop_rows, F});
  }
  impl_->backward_stack(kept, {dtop_rows, F}, gradient.final(), inputs, dparameters.data, isa);
}

template <class T>
void Network<T>::release_workspaces() const {
  impl_->stack->release_workspaces();
  impl_->packs.clear();
  impl_->input_packs.clear();
}

template class Network<float>;
template class Network<double>;

// What derivatives.cpp needs.
template Network<Dual>::~Network();
template Network<Dual>::Network(const NetworkConfig&, Uninitialised);
template const NetworkConfig& Network<Dual>::config() const noexcept;
template Parameters<Dual>& Network<Dual>::parameters() noexcept;
template const Parameters<Dual>& Network<Dual>::parameters() const noexcept;
template void Network<Dual>::forward(const Call<Dual>&, const Outputs<Dual>&, Tape<Dual>&,
                                     std::optional<std::uint64_t>) const;
template void Network<Dual>::backward(const Tape<Dual>&, const Gradient<Dual>&, Span<Dual>,
                                      const InputGradients<Dual>&) const;

}  // namespace peephole
