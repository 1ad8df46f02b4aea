#include "peephole/lstm.hpp"

#include <algorithm>
#include <stdexcept>

#include "api/checks.hpp"
#include "api/tape.hpp"
#include "layer/rows.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
Tape<T>::Tape(Keep keep) : impl_(std::make_unique<Impl>()) {
  impl_->record.keep = keep;
}
template <class T>
Tape<T>::~Tape() = default;
template <class T>
Tape<T>::Tape(Tape&&) noexcept = default;
template <class T>
Tape<T>& Tape<T>::operator=(Tape&&) noexcept = default;

template <class T>
Index Tape<T>::batch() const noexcept {
  return impl_->record.schedule.batch();
}

template <class T>
Index Tape<T>::time() const noexcept {
  return impl_->record.schedule.time();
}

template <class T>
std::size_t Tape<T>::bytes() const noexcept {
  return impl_->record.bytes;
}

namespace {

template <class T>
std::shared_ptr<Stack<T>> make_stack(const LSTMConfig& config) {
  validate(config);
  return std::make_shared<Stack<T>>(config,
                                    std::make_shared<Parameters<T>>(parameter_specs(config)));
}

template <class T>
void check_forward(const LSTMConfig& config, const SequenceView<const T>& x,
                   Span<const Index> lengths, Span<const StateView<const T>> initial,
                   const SequenceView<T>& y, Span<const StateView<T>> final) {
  check_shape("x", x, -1, -1, config.input_size);
  check_extent(config, x.batch, x.time);
  check_lengths(lengths, x.batch, x.time);
  check_states("state", initial, config, x.batch);
  check_shape("y", y, x.batch, x.time, config.output_size());
  check_states("final", final, config, x.batch);
}

}  // namespace

template <class T>
LSTM<T>::LSTM(const LSTMConfig& config) : stack_(make_stack<T>(config)) {}
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
void LSTM<T>::infer(SequenceView<const T> x, Span<const Index> lengths,
                    Span<const StateView<const T>> initial, SequenceView<T> y,
                    Span<const StateView<T>> final) const {
  check_forward(config(), x, lengths, initial, y, final);
  const auto record = stack_->borrow_record();
  stack_->forward(x, lengths, initial, y, final, *record, false);
}

template <class T>
void LSTM<T>::forward(SequenceView<const T> x, Span<const Index> lengths,
                      Span<const StateView<const T>> initial, SequenceView<T> y,
                      Span<const StateView<T>> final, Tape<T>& tape,
                      std::optional<std::uint64_t> seed) const {
  check_forward(config(), x, lengths, initial, y, final);
  check_seed(config(), seed);
  tape.impl().record.seed = seed.value_or(0);
  stack_->forward(x, lengths, initial, y, final, tape.impl().record, true);
}

template <class T>
void LSTM<T>::backward(const Tape<T>& tape, SequenceView<const T> dy,
                       Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                       Span<const StateView<T>> dinitial, T* dparameters) const {
  const typename Tape<T>::Impl& impl = tape.impl();
  const Index B = tape.batch(), time = tape.time();
  check_tape(impl.record, parameters());
  check_shape("dy", dy, B, time, config().output_size());
  check_states("dstate", dfinal, config(), B);
  if (dx.data) check_shape("dx", dx, B, time, config().input_size);
  check_states("dinitial", dinitial, config(), B);

  const auto dtop = stack_->borrow_rows();
  const Rows<T> packed{dtop->reserve(impl.record.schedule.packed_rows() * dy.features),
                       dy.features};
  gather(impl.record.schedule, dy, packed);
  stack_->backward(impl.record, {packed.data, packed.stride}, dfinal, dx, dinitial, dparameters);
}

template class Tape<float>;
template class Tape<double>;
template class LSTM<float>;
template class LSTM<double>;

}  // namespace peephole
