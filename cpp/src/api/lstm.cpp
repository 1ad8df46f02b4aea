#include "peephole/lstm.hpp"

#include <string>
#include <utility>

#include "api/checks.hpp"
#include "api/tape.hpp"
#include "base/errors.hpp"
#include "layer/rows.hpp"
#include "stack/stack.hpp"

namespace peephole {
namespace {

template <class T>
std::shared_ptr<Stack<T>> make_stack(const LSTMConfig& config) {
  validate(config);
  return std::make_shared<Stack<T>>(config,
                                    std::make_shared<Parameters<T>>(parameter_specs(config)));
}

template <class T>
void check_call(const LSTMConfig& config, const Call<T>& call, const Outputs<T>& outputs) {
  check_forward(config, call, outputs, -1, config.output_size());
  if (outputs.logits.data != nullptr) refuse("logits", "none, of a model without a head", "some");
}

}  // namespace

template <class T>
LSTM<T>::LSTM(const LSTMConfig& config, std::uint64_t seed, Initialisation recurrent)
    : LSTM(config, uninitialised) {
  initialise(*this, seed, recurrent);
}
template <class T>
LSTM<T>::LSTM(const LSTMConfig& config, Uninitialised) : stack_(make_stack<T>(config)) {}
template <class T>
LSTM<T>::LSTM(std::shared_ptr<Stack<T>> stack) : stack_(std::move(stack)) {}

template <class T>
const LSTMConfig& LSTM<T>::config() const noexcept {
  return stack_->config();
}

template <class T>
Parameters<T>& LSTM<T>::parameters() noexcept {
  return stack_->parameters();
}

template <class T>
const Parameters<T>& LSTM<T>::parameters() const noexcept {
  return stack_->parameters();
}

template <class T>
void LSTM<T>::infer(const Call<T>& call, const Outputs<T>& outputs) const {
  check_call(config(), call, outputs);
  const auto tape = stack_->borrow_tape();
  stack_->forward(call, outputs, *tape, Mode::inference);
}

template <class T>
void LSTM<T>::forward(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape,
                      std::optional<std::uint64_t> seed) const {
  check_call(config(), call, outputs);
  check_seed(config(), seed);
  tape.impl().set_up(/*has_head=*/false, seed.value_or(0));
  stack_->forward(call, outputs, tape.impl().stack, Mode::training);
}

template <class T>
TapeSize LSTM<T>::tape_size() const {
  return peephole::tape_size<T>(config());
}

template <class T>
void LSTM<T>::reopen(Tape<T>& tape, Index batch, Index time, Span<const Index> lengths,
                     std::optional<std::uint64_t> seed) const {
  if (batch < 0) refuse("batch", "a number of sequences", std::to_string(batch));
  if (time < 0) refuse("time", "a number of steps", std::to_string(time));
  check_lengths(lengths, batch, time);
  check_seed(config(), seed);
  StackTape<T>& stack = tape.impl().stack;
  if (stack.memory.data == nullptr) refuse("tape", "one in the caller's memory", "another");
  tape.impl().set_up(/*has_head=*/false, seed.value_or(0));
  stack_->reopen(batch, time, lengths, stack);
}

template <class T>
void LSTM<T>::trace(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape) const {
  check_call(config(), call, outputs);
  tape.impl().set_up(/*has_head=*/false, /*seed=*/0);
  stack_->forward(call, outputs, tape.impl().stack, Mode::trace);
}

template <class T>
void LSTM<T>::backward(const Tape<T>& tape, const Gradient<T>& gradient, Span<T> dparameters,
                       const InputGradients<T>& inputs) const {
  const StackTape<T>& kept = tape.impl().stack;
  const Index B = tape.batch(), time = tape.time();
  check_tape(tape.impl(), /*has_head=*/false, parameters());
  if (gradient.is_of_logits()) refuse("gradient", "one of y, for a model without a head", "logits");
  const SequenceView<const T>& dy = gradient.outputs();
  check_shape("dy", dy, B, time, config().output_size());
  check_states("dstate", gradient.final(), config(), B);
  check_gradients(config(), B, time, parameters().flat_size(), dparameters, inputs);

  const auto dtop = stack_->borrow_rows();
  const Rows<T> rows{dtop->reserve(kept.schedule.packed_rows() * dy.features), dy.features};
  gather(kept.schedule, dy, rows);
  stack_->backward(kept, {rows.data, rows.stride}, gradient.final(), inputs, dparameters.data,
                   chosen_isa_for<T>());
}

template <class T>
void LSTM<T>::release_workspaces() const {
  stack_->release_workspaces();
}

template class LSTM<float>;
template class LSTM<double>;

// What derivatives.cpp and Network<Dual> need.
template LSTM<Dual>::LSTM(const LSTMConfig&, Uninitialised);
template LSTM<Dual>::LSTM(std::shared_ptr<Stack<Dual>>);
template const LSTMConfig& LSTM<Dual>::config() const noexcept;
template Parameters<Dual>& LSTM<Dual>::parameters() noexcept;
template const Parameters<Dual>& LSTM<Dual>::parameters() const noexcept;
template void LSTM<Dual>::forward(const Call<Dual>&, const Outputs<Dual>&, Tape<Dual>&,
                                  std::optional<std::uint64_t>) const;
template void LSTM<Dual>::backward(const Tape<Dual>&, const Gradient<Dual>&, Span<Dual>,
                                   const InputGradients<Dual>&) const;

}  // namespace peephole
