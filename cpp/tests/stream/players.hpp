#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "peephole/sessions.hpp"
#include "stream/networks.hpp"
#include "support/check.hpp"

namespace peephole::test {

/// Any stack of one direction, in small.
inline LSTMConfig any_stack(Random& random) {
  const auto below = [&](Index n) {
    return static_cast<Index>(random.uniform(0, static_cast<double>(n)));
  };
  LSTMConfig config;
  config.input_size = 1 + below(4);
  for (Index layers = 1 + below(3); layers > 0; --layers) {
    config.hidden_sizes.push_back(2 + below(below(3) == 0 ? 40 : 12));  // above P
  }
  config.peephole = static_cast<Peephole>(below(3));
  const char* const gates[] = {"ifgo", "ifo", "g", "o"};
  config.peephole_gates = parse_gates(gates[below(4)]);
  config.output_peephole = static_cast<OutputPeephole>(below(2));
  config.bias = below(4) > 0;
  config.coupled_input_forget = below(4) == 0;
  config.initial_state = static_cast<InitialState>(below(2));
  if (below(4) == 0) config.zoneout = 0.25;
  if (below(4) == 0) config.cell_clip = 0.5;
  if (below(4) == 0) config.preactivation_clip = 0.5;
  if (below(4) == 0) config.projection_size = 1;
  if (below(4) == 0 && config.projection_size) config.projection_clip = 0.1;
  if (below(4) == 0) {
    config.layer_norm = static_cast<LayerNorm>(below(2));
    config.layer_norm_cell = static_cast<LayerNormCell>(below(3));
    config.layer_norm_epsilon = 0.1;
  }
  if (below(3) == 0) {
    config.activations.resize(config.hidden_sizes.size());
    config.activations.front() = {Activation::hard_sigmoid, Activation::softsign, Activation::relu,
                                  Activation::one, Activation::softplus};
  }
  return config;
}

template <class T>
LSTM<T> any_lstm(Random& random) {
  LSTM<T> lstm(any_stack(random), uninitialised);
  randomise(lstm.parameters(), random);
  return lstm;
}

template <class T>
Network<T> any_network(Random& random) {
  NetworkConfig config;
  config.lstm = any_stack(random);
  config.output_size = 1 + static_cast<Index>(random.uniform(0, 4));
  config.head = static_cast<HeadActivation>(static_cast<int>(random.uniform(0, 4)));
  config.readout = random.uniform(0, 1) < 0.5 ? Readout::all : Readout::last;
  if (random.uniform(0, 3) < 1) {
    config.input_dense_size = 1 + static_cast<Index>(random.uniform(0, 20));
    config.input_activation = static_cast<Activation>(static_cast<int>(random.uniform(0, 8)));
  }
  return random_network<T>(config, random, random.uniform(0, 3) < 1);
}

/// A pool beside single streams, one for each session, which do the same.
template <class T, class Model>
class Players {
 public:
  Players(const Model& model, Index capacity, Random& random)
      : model_(model), pool_(model, capacity), random_(random) {}

  /// Something at random.
  void act() {
    const Index action = below(12);
    if (action < 2)
      open();
    else if (action == 2)
      close();
    else if (action == 3)
      reset();
    else if (action == 4)
      exchange_states();
    else if (action == 5)
      restore();
    else if (action < 9)
      step();
    else
      process();
  }

 private:
  Index below(Index n) { return static_cast<Index>(random_.uniform(0, static_cast<double>(n))); }
  Index count() const { return static_cast<Index>(streams_.size()); }
  std::vector<SessionId> open_ids() const {
    std::vector<SessionId> ids;
    for (const auto& [id, stream] : streams_) ids.push_back(id);
    return ids;
  }
  SessionId any() { return open_ids()[at(below(count()))]; }
  /// Some of the sessions, in any order.
  std::vector<SessionId> some() {
    std::vector<SessionId> ids = open_ids();
    for (Index i = count() - 1; i > 0; --i) std::swap(ids[at(i)], ids[at(below(i + 1))]);
    ids.resize(at(below(count() + 1)));
    return ids;
  }

  void open() {
    SessionId id = -1;
    const bool fits = count() < pool_.capacity();
    CHECK(pool_.open(id) == (fits ? SessionStatus::ok : SessionStatus::full));
    if (fits) streams_.emplace(id, Stream<T>(model_));
    CHECK(pool_.size() == count());
  }
  void close() {
    if (count() == 0) return;
    const SessionId id = any();
    CHECK(pool_.close(id) == SessionStatus::ok && !pool_.contains(id));
    streams_.erase(id);
  }
  void reset() {
    if (count() == 0) return;
    const SessionId id = any();
    CHECK(pool_.reset(id) == SessionStatus::ok);
    streams_.at(id).reset();
  }
  void exchange_states() {
    if (count() == 0) return;
    const SessionId a = any(), b = any();
    States<T> of_pool(pool_.config().lstm, 1), of_stream(pool_.config().lstm, 1);
    for (Index l = 0; l < pool_.layers(); ++l) {
      CHECK(pool_.get_state(a, l, of_pool.views()[at(l)]) == SessionStatus::ok);
      streams_.at(a).get_state(l, of_stream.views()[at(l)]);
      CHECK(same_bits(of_pool.h[at(l)], of_stream.h[at(l)]));
      CHECK(same_bits(of_pool.c[at(l)], of_stream.c[at(l)]));
      CHECK(pool_.set_state(b, l, of_pool.const_views()[at(l)]) == SessionStatus::ok);
      streams_.at(b).set_state(l, of_stream.const_views()[at(l)]);
    }
  }
  /// On from a snapshot, in this pool or in a larger one.
  void restore() {
    std::vector<char> data(pool_.snapshot_size());
    pool_.snapshot(data.data());
    if (below(2) == 0) {
      Sessions<T> other(model_, pool_.capacity() + below(3));
      pool_.swap(other);
    } else if (count() > 0) {
      (void)pool_.close(any());
    }
    CHECK(pool_.restore(data.data(), data.size()) == SessionStatus::ok);
    CHECK(pool_.size() == count());
    for (const SessionId id : open_ids()) CHECK(pool_.contains(id));
  }
  void step() {
    const std::vector<SessionId> ids = some();
    const Index n = static_cast<Index>(ids.size()), I = pool_.input_size(), O = pool_.output_size();
    const std::vector<T> x = random_.values<T>(n * I, -2, 2);
    std::vector<T> y(at(n * O)), expected(y.size());
    CHECK(pool_.step(ids.data(), n, x.data(), y.data()) == SessionStatus::ok);
    for (Index i = 0; i < n; ++i) {
      streams_.at(ids[at(i)]).step(&x[at(i * I)], &expected[at(i * O)]);
    }
    CHECK(n == 0 || same_bits(y, expected));
  }
  void process() {
    const std::vector<SessionId> ids = some();
    const Index n = static_cast<Index>(ids.size()), I = pool_.input_size(), O = pool_.output_size();
    const Index steps = below(6);
    const bool ragged = below(2) == 0;
    std::vector<T> x = random_.values<T>(n * steps * I, -2, 2);
    std::vector<T> y(at(n * steps * O), T{7}), expected(y.size());
    std::vector<Index> lengths(at(n), steps);
    for (Index i = 0; i < n; ++i) {
      if (ragged) lengths[at(i)] = below(steps + 1);
      const Index length = lengths[at(i)];
      streams_.at(ids[at(i)])
          .process(x.data() + i * steps * I, expected.data() + i * steps * O, length);
      std::fill(x.begin() + (i * steps + length) * I, x.begin() + (i + 1) * steps * I,
                std::numeric_limits<T>::quiet_NaN());
    }
    CHECK(pool_.process(ids.data(), n, x.data(), y.data(), steps,
                        ragged ? lengths.data() : nullptr) == SessionStatus::ok);
    CHECK(y.empty() || same_bits(y, expected));
  }

  const Model& model_;
  Sessions<T> pool_;
  std::map<SessionId, Stream<T>> streams_;
  Random& random_;
};

}  // namespace peephole::test
