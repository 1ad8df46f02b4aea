#include "peephole/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "api/checks.hpp"
#include "api/tape.hpp"
#include "compute/head.hpp"
#include "layer/rows.hpp"
#include "runtime/flush_denormals.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
struct NetworkTape<T>::Impl {
  StackRecord<T> record;
  Rows<const T> top = {};  // (N, F): the stack's output, inside `record`
  Buffer<T> y;             // (n, O): of the rows that the head read
  Index y_size = 0;        // n * O
};

template <class T>
NetworkTape<T>::NetworkTape(Keep keep) : impl_(std::make_unique<Impl>()) {
  impl_->record.keep = keep;
}
template <class T>
NetworkTape<T>::~NetworkTape() = default;
template <class T>
NetworkTape<T>::NetworkTape(NetworkTape&&) noexcept = default;
template <class T>
NetworkTape<T>& NetworkTape<T>::operator=(NetworkTape&&) noexcept = default;

template <class T>
Index NetworkTape<T>::batch() const noexcept {
  return impl_->record.schedule.batch();
}

template <class T>
Index NetworkTape<T>::time() const noexcept {
  return impl_->record.schedule.time();
}

template <class T>
std::size_t NetworkTape<T>::bytes() const noexcept {
  return impl_->record.bytes + static_cast<std::size_t>(impl_->y_size) * sizeof(T);
}

namespace {

/// How many sequences have a last step: the ranks before those of length 0.
Index begun(const Schedule& schedule) noexcept {
  return schedule.steps() == 0 ? 0 : schedule.rows(0);
}

/// The packed row of rank r's last real step.
Index last_row(const Schedule& schedule, Index r) noexcept {
  return schedule.offset(schedule.length(r) - 1) + r;
}

}  // namespace

template <class T>
struct Network<T>::Impl {
  NetworkConfig config;
  HeadSpec head;
  std::shared_ptr<Stack<T>> stack;
  std::shared_ptr<LSTM<T>> lstm;
  Index weight, bias;  // of the head, in specs()

  template <class U>
  HeadWeights<U> weights_in(U* flat) const noexcept {
    return {flat + stack->parameters().offset(weight), flat + stack->parameters().offset(bias)};
  }

  Index steps_read(Index time) const noexcept { return config.readout == Readout::all ? time : 1; }
  Index rows_read(const Schedule& schedule) const noexcept {
    return config.readout == Readout::all ? schedule.packed_rows() : begun(schedule);
  }

  /// The rows of `top` (N, F) that the head reads: themselves, or copies of the last ones in
  /// `last`.
  Rows<const T> read(const Schedule& schedule, Rows<const T> top, Buffer<T>& last) const {
    if (config.readout == Readout::all) return top;
    const Index F = head.input_size, n = begun(schedule);
    T* const rows = last.reserve(n * F);
    for (Index r = 0; r < n; ++r) {
      std::copy_n(top.row(last_row(schedule, r)), F, rows + r * F);
    }
    return {rows, F};
  }

  /// `rows` (rows_read, O) to the caller's array, 0 where nothing was read.
  void give(const Schedule& schedule, const T* rows, SequenceView<T> y) const noexcept {
    const Index O = head.output_size;
    if (config.readout == Readout::all) {
      scatter(schedule, Rows<const T>{rows, O}, y);
      return;
    }
    for (Index r = 0; r < schedule.batch(); ++r) {
      T* const target = y.at(schedule.sequence(r), 0);
      if (r < begun(schedule)) {
        std::copy_n(rows + r * O, O, target);
      } else {
        std::fill_n(target, O, T{0});
      }
    }
  }

  /// The reverse of give.
  void take(const Schedule& schedule, SequenceView<const T> y, T* rows) const noexcept {
    const Index O = head.output_size;
    if (config.readout == Readout::all) {
      gather(schedule, y, Rows<T>{rows, O});
      return;
    }
    for (Index r = 0; r < begun(schedule); ++r) {
      std::copy_n(y.at(schedule.sequence(r), 0), O, rows + r * O);
    }
  }

  void check_forward(const SequenceView<const T>& x, Span<const Index> lengths,
                     Span<const StateView<const T>> initial, const SequenceView<T>& y,
                     Span<const StateView<T>> final) const {
    check_shape("x", x, -1, -1, config.lstm.input_size);
    check_extent(config.lstm, x.batch, x.time);
    check_lengths(lengths, x.batch, x.time);
    check_states("state", initial, config.lstm, x.batch);
    check_shape("y", y, x.batch, steps_read(x.time), head.output_size);
    check_states("final", final, config.lstm, x.batch);
  }
};

template <class T>
Network<T>::Network(const NetworkConfig& config) : impl_(std::make_unique<Impl>()) {
  validate(config);
  const auto parameters = std::make_shared<Parameters<T>>(parameter_specs(config));
  impl_->stack = std::make_shared<Stack<T>>(config.lstm, parameters);
  impl_->lstm.reset(new LSTM<T>(impl_->stack));
  impl_->config = config;
  impl_->config.lstm = impl_->stack->config();  // with the defaults filled in
  impl_->head = {config.lstm.output_size(), config.output_size, config.head};
  impl_->weight = parameters->find("head.weight");
  impl_->bias = parameters->find("head.bias");
}

template <class T>
Network<T>::~Network() = default;
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
void Network<T>::infer(SequenceView<const T> x, Span<const Index> lengths,
                       Span<const StateView<const T>> initial, SequenceView<T> y,
                       Span<const StateView<T>> final, SequenceView<T> logits) const {
  impl_->check_forward(x, lengths, initial, y, final);
  if (logits.data) check_shape("logits", logits, y.batch, y.time, y.features);
  const FlushDenormals flush;
  const Stack<T>& stack = *impl_->stack;
  const auto record = stack.borrow_record();
  const Rows<const T> top = stack.forward_rows(x, lengths, initial, final, *record, false);

  const Schedule& schedule = record->schedule;
  const Index n = impl_->rows_read(schedule);
  const auto last = stack.borrow_rows();
  const auto output = stack.borrow_rows();
  T* const rows = output->reserve(n * impl_->head.output_size);
  head_logits(impl_->head, impl_->weights_in(parameters().flat()),
              impl_->read(schedule, top, *last), n, rows);
  if (logits.data) impl_->give(schedule, rows, logits);
  head_activate(impl_->head, rows, n, rows);
  impl_->give(schedule, rows, y);
}

template <class T>
void Network<T>::forward(SequenceView<const T> x, Span<const Index> lengths,
                         Span<const StateView<const T>> initial, SequenceView<T> y,
                         SequenceView<T> logits, Span<const StateView<T>> final,
                         NetworkTape<T>& tape, std::optional<std::uint64_t> seed) const {
  impl_->check_forward(x, lengths, initial, y, final);
  check_seed(impl_->config.lstm, seed);
  if (logits.data) check_shape("logits", logits, y.batch, y.time, y.features);
  const FlushDenormals flush;
  const Stack<T>& stack = *impl_->stack;
  typename NetworkTape<T>::Impl& kept = tape.impl();
  kept.record.seed = seed.value_or(0);
  kept.record.feeds_head = true;
  kept.top = stack.forward_rows(x, lengths, initial, final, kept.record, true);

  const Schedule& schedule = kept.record.schedule;
  const Index n = impl_->rows_read(schedule);
  const auto last = stack.borrow_rows();
  kept.y_size = n * impl_->head.output_size;
  T* const rows = kept.y.reserve(kept.y_size);
  head_logits(impl_->head, impl_->weights_in(parameters().flat()),
              impl_->read(schedule, kept.top, *last), n, rows);
  if (logits.data) impl_->give(schedule, rows, logits);
  head_activate(impl_->head, rows, n, rows);
  impl_->give(schedule, rows, y);
}

template <class T>
void Network<T>::backward(const NetworkTape<T>& tape, SequenceView<const T> gradient, GradientOf of,
                          Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                          Span<const StateView<T>> dinitial, T* dparameters) const {
  const typename NetworkTape<T>::Impl& kept = tape.impl();
  const Index B = tape.batch(), time = tape.time();
  check_tape(kept.record, parameters());
  check_shape(of == GradientOf::y ? "dy" : "dlogits", gradient, B, impl_->steps_read(time),
              impl_->head.output_size);
  check_states("dstate", dfinal, impl_->config.lstm, B);
  if (dx.data) check_shape("dx", dx, B, time, impl_->config.lstm.input_size);
  check_states("dinitial", dinitial, impl_->config.lstm, B);

  const FlushDenormals flush;
  const Stack<T>& stack = *impl_->stack;
  const Schedule& schedule = kept.record.schedule;
  const Index n = impl_->rows_read(schedule), N = schedule.packed_rows();
  const Index F = impl_->head.input_size;
  const auto dlogits = stack.borrow_rows(), last = stack.borrow_rows(), dlast = stack.borrow_rows(),
             dtop = stack.borrow_rows();
  T* const ds = dlogits->reserve(n * impl_->head.output_size);
  impl_->take(schedule, gradient, ds);
  if (of == GradientOf::y) head_activation_gradient(impl_->head, kept.y.data(), ds, n, ds);

  const bool all = impl_->config.readout == Readout::all;
  T* const dtop_rows = dtop->reserve(N * F);
  T* const dread = all ? dtop_rows : dlast->reserve(n * F);
  head_gradients(impl_->head, impl_->weights_in(parameters().flat()),
                 impl_->read(schedule, kept.top, *last), ds, n, Rows<T>{dread, F},
                 impl_->weights_in(dparameters));
  if (!all) {
    std::fill_n(dtop_rows, N * F, T{0});
    for (Index r = 0; r < n; ++r) {
      std::copy_n(dread + r * F, F, dtop_rows + last_row(schedule, r) * F);
    }
  }
  stack.backward(kept.record, {dtop_rows, F}, dfinal, dx, dinitial, dparameters);
}

template class NetworkTape<float>;
template class NetworkTape<double>;
template class Network<float>;
template class Network<double>;

}  // namespace peephole
