#include "peephole/sessions.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "base/errors.hpp"
#include "runtime/flush_denormals.hpp"
#include "stream/session_rows.hpp"
#include "stream/session_slots.hpp"
#include "stream/session_snapshot.hpp"

namespace peephole {

template <class T>
struct Sessions<T>::Impl {
  Impl(std::shared_ptr<const StreamModel<T>> of, Index capacity)
      : model(std::move(of)),
        values(SessionRows<T>::values(*model)),
        identity(fingerprint(*model)),
        slots(capacity),
        rows(model) {
    states.reserve(capacity * values);
    found.reserve(capacity);
    order.reserve(capacity);
  }
  Impl(const Impl& other) : Impl(other.model, other.slots.capacity()) {
    slots = other.slots;
    std::copy_n(other.states.data(), slots.capacity() * values, states.data());
  }

  T* state(Index slot) const noexcept { return states.data() + slot * values; }
  SessionStore<T> store() noexcept { return {identity, slots, states.data(), values}; }
  const LayerSpec& spec(Index layer) const noexcept {
    assert(0 <= layer && layer < static_cast<Index>(model->layers.size()));
    return model->layers[at(layer)].spec;
  }
  /// Whether a state of one session is shaped as `layer` needs it.
  template <class U>
  bool fits(Index layer, const StateView<U>& view) const noexcept {
    return view.batch == 1 && view.hidden_size == spec(layer).hidden_size &&
           view.recurrent_size() == spec(layer).recurrent_size();
  }

  /// Sets `found` to the slots of n sessions.
  SessionStatus find(const SessionId* ids, Index n) noexcept {
    const SessionSlots::Found result = slots.find(ids, n, found.data());
    position = result.position;
    return result.status;
  }
  SessionStatus check(const Index* lengths, Index n, Index steps) noexcept {
    for (Index i = 0; i < n; ++i) {
      if (lengths[i] >= 0 && lengths[i] <= steps) continue;
      position = i;
      return SessionStatus::bad_length;
    }
    return SessionStatus::ok;
  }

  std::shared_ptr<const StreamModel<T>> model;
  Index values;            // of a state
  std::uint64_t identity;  // of the model
  SessionSlots slots;
  SessionRows<T> rows;
  Buffer<T> states;     // (capacity, values)
  Buffer<Index> found;  // (capacity,): the slots of the sessions of a call
  Buffer<Index> order;  // (capacity,): their positions in the call, by length
  Index position = 0;
};

namespace {

void check_capacity(const LSTMConfig& config, Index capacity) {
  Index values = 0;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    values += config.recurrent_size(layer) + config.hidden_sizes[at(layer)];
  }
  const Index addressed = std::numeric_limits<Index>::max() / (values * Index{sizeof(double)});
  const Index most = std::min(Sessions<float>::kMostSessions, addressed);
  if (capacity < 1 || capacity > most) {
    refuse("capacity", "an integer in 1.." + std::to_string(most), std::to_string(capacity));
  }
}

}  // namespace

template <class T>
Sessions<T>::Sessions(const LSTM<T>& lstm, Index capacity) {
  auto model = StreamModel<T>::of(*lstm.stack_, nullptr);
  check_capacity(lstm.config(), capacity);
  impl_ = std::make_unique<Impl>(std::move(model), capacity);
}

template <class T>
Sessions<T>::Sessions(const Network<T>& network, Index capacity) {
  auto model = StreamModel<T>::of(*network.lstm()->stack_, &network.config());
  check_capacity(network.config().lstm, capacity);
  impl_ = std::make_unique<Impl>(std::move(model), capacity);
}

template <class T>
Sessions<T>::Sessions(const Stream<T>& stream, Index capacity) {
  check_capacity(stream.config().lstm, capacity);
  impl_ = std::make_unique<Impl>(stream.model(), capacity);
}

template <class T>
Sessions<T>::Sessions(const Sessions& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
template <class T>
Sessions<T>::~Sessions() = default;
template <class T>
Sessions<T>::Sessions(Sessions&&) noexcept = default;
template <class T>
Sessions<T>& Sessions<T>::operator=(Sessions&&) noexcept = default;

template <class T>
void Sessions<T>::swap(Sessions& other) noexcept {
  impl_.swap(other.impl_);
}

template <class T>
Index Sessions<T>::capacity() const noexcept {
  return impl_->slots.capacity();
}

template <class T>
Index Sessions<T>::size() const noexcept {
  return impl_->slots.open_count();
}

template <class T>
Index Sessions<T>::input_size() const noexcept {
  return impl_->model->input_size();
}

template <class T>
Index Sessions<T>::output_size() const noexcept {
  return impl_->model->output_size();
}

template <class T>
Index Sessions<T>::layers() const noexcept {
  return static_cast<Index>(impl_->model->layers.size());
}

template <class T>
Index Sessions<T>::hidden_size(Index layer) const noexcept {
  return impl_->spec(layer).hidden_size;
}

template <class T>
Index Sessions<T>::recurrent_size(Index layer) const noexcept {
  return impl_->spec(layer).recurrent_size();
}

template <class T>
const NetworkConfig& Sessions<T>::config() const noexcept {
  return impl_->model->config;
}

template <class T>
bool Sessions<T>::has_head() const noexcept {
  return impl_->model->head.has_value();
}

template <class T>
const T* Sessions<T>::weights() const noexcept {
  return impl_->model->values.data();
}

template <class T>
SessionStatus Sessions<T>::open(SessionId& id) noexcept {
  const SessionStatus status = impl_->slots.open(id);
  return status == SessionStatus::ok ? reset(id) : status;
}

template <class T>
SessionStatus Sessions<T>::close(SessionId id) noexcept {
  if (!contains(id)) return SessionStatus::unknown;
  impl_->slots.close(id);
  return SessionStatus::ok;
}

template <class T>
SessionStatus Sessions<T>::reset(SessionId id) noexcept {
  const Index slot = impl_->slots.find(id);
  if (slot < 0) return SessionStatus::unknown;
  SessionRows<T>::begin(*impl_->model, impl_->state(slot));
  return SessionStatus::ok;
}

template <class T>
bool Sessions<T>::contains(SessionId id) const noexcept {
  return impl_->slots.find(id) >= 0;
}

template <class T>
void Sessions<T>::ids(SessionId* ids) const noexcept {
  for (Index slot = 0; slot < capacity(); ++slot) {
    const SessionId id = impl_->slots.id_in(slot);
    if (id >= 0) *ids++ = id;
  }
}

template <class T>
SessionStatus Sessions<T>::set_state(SessionId id, Index layer, StateView<const T> state) noexcept {
  assert(impl_->fits(layer, state));
  const Index slot = impl_->slots.find(id);
  if (slot < 0) return SessionStatus::unknown;
  const LayerSpec& spec = impl_->spec(layer);
  T* const to = impl_->state(slot);
  std::copy_n(state.h, spec.recurrent_size(), to + SessionRows<T>::h_of(*impl_->model, layer));
  std::copy_n(state.c, spec.hidden_size, to + SessionRows<T>::c_of(*impl_->model, layer));
  return SessionStatus::ok;
}

template <class T>
SessionStatus Sessions<T>::get_state(SessionId id, Index layer, StateView<T> state) const noexcept {
  assert(impl_->fits(layer, state));
  const Index slot = impl_->slots.find(id);
  if (slot < 0) return SessionStatus::unknown;
  const LayerSpec& spec = impl_->spec(layer);
  const T* const from = impl_->state(slot);
  std::copy_n(from + SessionRows<T>::h_of(*impl_->model, layer), spec.recurrent_size(), state.h);
  std::copy_n(from + SessionRows<T>::c_of(*impl_->model, layer), spec.hidden_size, state.c);
  return SessionStatus::ok;
}

template <class T>
SessionStatus Sessions<T>::step(const SessionId* ids, Index n, const T* x, T* y) noexcept {
  return process(ids, n, x, y, 1);
}

template <class T>
SessionStatus Sessions<T>::process(const SessionId* ids, Index n, const T* x, T* y, Index steps,
                                   const Index* lengths) noexcept {
  assert(n >= 0 && steps >= 0);
  SessionStatus status = impl_->find(ids, n);
  if (status != SessionStatus::ok) return status;
  const Index* order = nullptr;
  if (lengths != nullptr) {
    status = impl_->check(lengths, n, steps);
    if (status != SessionStatus::ok) return status;
    Index* const positions = impl_->order.data();
    std::iota(positions, positions + n, Index{0});
    std::sort(positions, positions + n, [&](Index a, Index b) {
      return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b;
    });
    order = positions;
  }
  const FlushDenormals flush;
  const SessionCall<T> call = {impl_->found.data(), n, x, y, steps, lengths, order};
  return impl_->rows.run(call, impl_->states.data()) ? SessionStatus::ok
                                                     : SessionStatus::interrupted;
}

template <class T>
Index Sessions<T>::position() const noexcept {
  return impl_->position;
}

template <class T>
std::size_t Sessions<T>::snapshot_size() const noexcept {
  return snapshot_bytes(impl_->store());
}

template <class T>
void Sessions<T>::snapshot(void* data) const noexcept {
  write_snapshot(impl_->store(), data);
}

template <class T>
SessionStatus Sessions<T>::restore(const void* data, std::size_t size) noexcept {
  return read_snapshot(data, size, impl_->store());
}

template class Sessions<float>;
template class Sessions<double>;

}  // namespace peephole
