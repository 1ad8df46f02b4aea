// Pools of sessions: each session has the bits of a stream of its own, wrong ids and snapshots
// change nothing, and a session takes little memory.

#include "peephole/sessions.hpp"

#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "peephole/files.hpp"
#include "peephole/quantize.hpp"
#include "peephole/runtime.hpp"
#include "stream/players.hpp"
#include "support/allocated.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr SessionStatus kOk = SessionStatus::ok;

/// A pool with `open` sessions.
template <class T>
struct Opened {
  template <class Model>
  Opened(const Model& model, Index capacity, Index open) : pool(model, capacity) {
    ids.resize(at(open));
    for (SessionId& id : ids) CHECK(pool.open(id) == kOk);
  }

  Sessions<T> pool;
  std::vector<SessionId> ids;
};

/// A quantized copy; the model itself where it has options that quantize() refuses.
template <class Model>
Model quantized_if_possible(Model model, Random& random) {
  constexpr Quantization kAll[] = {Quantization::int16, Quantization::int8,
                                   Quantization::int8_fast};
  try {
    return quantize(model, kAll[static_cast<int>(random.uniform(0, 3)) % 3]);
  } catch (const std::invalid_argument&) {
    return model;
  }
}

/// Random schedules, each with a model of its own, now and then with several blocks of rows.
template <class T>
void schedules_equal_streams(int count, std::uint64_t seed) {
  for (int n = 0; n < count; ++n) {
    Random random(seed + static_cast<std::uint64_t>(n));
    const auto capacity = static_cast<Index>(random.uniform(1, n % 16 == 15 ? 250 : 12));
    const int actions = 20 + 2 * static_cast<int>(capacity);
    const auto play = [&](const auto& model) {
      Players<T, std::decay_t<decltype(model)>> players(model, capacity, random);
      for (int action = 0; action < actions; ++action) players.act();
    };
    if constexpr (std::is_same_v<T, float>) {
      if (n % 8 == 3) {
        play(quantized_if_possible(any_network<T>(random), random));
        continue;
      }
      if (n % 8 == 4) {
        play(quantized_if_possible(any_lstm<T>(random), random));
        continue;
      }
    }
    n % 4 == 0 ? play(any_lstm<T>(random)) : play(any_network<T>(random));
  }
}

/// y may be x where O = I; a call of many blocks equals one of each session alone.
void in_place_and_alone() {
  Random random(2);
  for (Index H : {9, 16, 40}) {
    const Network<float> network = random_network<float>(filter(H), random, false);
    const Index n = 333;
    Opened<float> together(network, n, n), alone(network, n, n);
    std::vector<float> x = random.values<float>(n), y(at(n));
    for (Index i = 0; i < n; ++i) {
      CHECK(alone.pool.step(&alone.ids[at(i)], 1, &x[at(i)], &y[at(i)]) == kOk);
    }
    CHECK(together.pool.step(together.ids.data(), n, x.data(), x.data()) == kOk);
    CHECK(same_bits(x, y));
  }
}

void nan_stays_in_its_session() {
  Random random(3);
  const Network<float> network = random_network<float>(filter(20), random, false);
  Opened<float> with(network, 30, 30), without(network, 30, 30);
  std::vector<float> x = random.values<float>(30), y(30), expected(30);
  for (int step = 0; step < 3; ++step) {
    CHECK(without.pool.step(without.ids.data(), 30, x.data(), expected.data()) == kOk);
    const float number = std::exchange(x[7], std::numeric_limits<float>::quiet_NaN());
    CHECK(with.pool.step(with.ids.data(), 30, x.data(), y.data()) == kOk);
    x[7] = number;
    CHECK(std::isnan(y[7]));
    y[7] = expected[7];
    CHECK(same_bits(y, expected));
  }
  CHECK(with.pool.reset(with.ids[7]) == kOk && without.pool.reset(without.ids[7]) == kOk);
  CHECK(without.pool.step(without.ids.data(), 30, x.data(), expected.data()) == kOk);
  CHECK(with.pool.step(with.ids.data(), 30, x.data(), y.data()) == kOk);
  CHECK(same_bits(y, expected));
}

void floating_point_mode() {
#if defined(__SSE2__)
  constexpr unsigned kFlush = 1u << 15 | 1u << 6, kFlags = 0x3f;
  Random random(11);
  const Network<float> network = random_network<float>(filter(6), random, false);
  std::vector<float> x(80, 1e-39f), y(x.size()), expected(x.size());
  Opened<float> opened(network, 2, 2);
  const unsigned before = _mm_getcsr();
  CHECK(opened.pool.process(opened.ids.data(), 2, x.data(), y.data(), 40) == kOk);
  CHECK((_mm_getcsr() & ~kFlags) == (before & ~kFlags) && (before & kFlush) == 0);
  Stream<float> stream(network);
  stream.process(x.data(), expected.data(), 40);
  CHECK(std::equal(expected.begin(), expected.begin() + 40, y.begin() + 40));
#endif
}

void ids_are_checked() {
  const Network<float> network(filter(5), 1);
  Opened<float> opened(network, 4, 4);
  Sessions<float>& pool = opened.pool;
  std::vector<SessionId>& ids = opened.ids;
  SessionId more = -7;
  CHECK(pool.open(more) == SessionStatus::full && more == -7);
  CHECK(pool.close(ids[1]) == kOk);
  CHECK(pool.close(ids[1]) == SessionStatus::unknown);
  CHECK(pool.reset(ids[1]) == SessionStatus::unknown);
  CHECK(pool.open(more) == kOk && more >= 0);
  for (SessionId id : ids) CHECK(id != more);
  CHECK(!pool.contains(ids[1]) && pool.contains(more) && pool.size() == 4);

  std::vector<char> before(pool.snapshot_size()), after(before.size());
  const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  float y[12];
  std::fill_n(y, 12, 77.0f);
  pool.snapshot(before.data());
  constexpr SessionId kLargest = std::numeric_limits<SessionId>::max();
  for (SessionId wrong : {ids[1], SessionId{-1}, kLargest, SessionId{4}, -more, more + 4}) {
    const SessionId several[] = {ids[0], more, wrong, ids[3]};
    CHECK(pool.step(several, 4, x, y) == SessionStatus::unknown && pool.position() == 2);
    CHECK(pool.process(several, 4, x, y, 3) == SessionStatus::unknown && pool.position() == 2);
    CHECK(!pool.contains(wrong) && pool.close(wrong) == SessionStatus::unknown);
    float h[5], c[5];
    CHECK(pool.get_state(wrong, 0, {h, c, 1, 5, 5}) == SessionStatus::unknown);
    CHECK(pool.set_state(wrong, 0, {h, c, 1, 5, 5}) == SessionStatus::unknown);
  }
  const SessionId twice[] = {ids[0], more, ids[3], ids[0], more};
  CHECK(pool.step(twice, 5, x, y) == SessionStatus::repeated && pool.position() == 3);
  for (Index wrong : {Index{-1}, Index{4}}) {
    const Index lengths[] = {0, 3, wrong};
    CHECK(pool.process(twice, 3, x, y, 3, lengths) == SessionStatus::bad_length);
    CHECK(pool.position() == 2);
  }
  pool.snapshot(after.data());
  CHECK(before == after);
  CHECK(std::count(y, y + 12, 77.0f) == 12);
  CHECK(pool.step(twice, 3, x, y) == kOk && pool.step(twice, 0, nullptr, nullptr) == kOk);
}

/// An id is never given out again, whatever is closed and restored.
void ids_do_not_come_again() {
  const Network<float> network(filter(3), 1);
  Sessions<float> pool(network, 3);
  std::vector<char> old(pool.snapshot_size());
  pool.snapshot(old.data());
  std::vector<SessionId> seen;
  for (int round = 0; round < 50; ++round) {
    SessionId id = -1;
    CHECK(pool.open(id) == kOk);
    CHECK(id >= 0 && std::count(seen.begin(), seen.end(), id) == 0);
    seen.push_back(id);
    if (round % 3 == 2) {
      CHECK(pool.restore(old.data(), old.size()) == kOk && pool.size() == 0);
    }
  }
}

void snapshots_are_checked() {
  Random random(5);
  NetworkConfig config = filter(5);
  const Network<float> network = random_network<float>(config, random, false);
  Opened<float> opened(network, 4, 3);
  std::vector<char> data(opened.pool.snapshot_size());
  opened.pool.snapshot(data.data());
  const auto refuses = [&](auto& pool, const std::vector<char>& bytes, SessionStatus status) {
    std::vector<char> before(pool.snapshot_size()), after(before.size());
    pool.snapshot(before.data());
    CHECK(pool.restore(bytes.data(), bytes.size()) == status);
    pool.snapshot(after.data());
    CHECK(before == after);
  };
  Opened<float> other(network, 4, 2);
  for (std::size_t size = 0; size < data.size(); ++size) {
    refuses(other.pool, {data.begin(), data.begin() + static_cast<long>(size)},
            SessionStatus::corrupt);
  }
  for (std::size_t byte = 0; byte < data.size(); ++byte) {
    std::vector<char> damaged = data;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 4);
    refuses(other.pool, damaged, SessionStatus::corrupt);
  }
  CHECK(other.pool.restore(data.data(), data.size()) == kOk);
  const std::string file = serialise(network);
  Sessions<float> of_file(load<Network<float>>(file.data(), file.size()), 4);
  CHECK(of_file.restore(data.data(), data.size()) == kOk && of_file.contains(opened.ids[2]));

  Network<float> changed = random_network<float>(config, random, false);
  Sessions<float> foreign(changed, 4), small(network, 3);
  Sessions<float> bare(*network.lstm(), 4);
  Sessions<double> twice(random_network<double>(config, random, false), 4);
  refuses(foreign, data, SessionStatus::foreign);
  refuses(small, data, SessionStatus::foreign);
  refuses(bare, data, SessionStatus::foreign);
  refuses(twice, data, SessionStatus::foreign);
  config.lstm.zoneout = 0.5;
  Network<float> zoned(config, uninitialised);
  for (Index i = 0; i < static_cast<Index>(zoned.parameters().specs().size()); ++i) {
    zoned.parameters().assign(i, network.parameters().data(i));
  }
  Sessions<float> other_option(zoned, 4);
  refuses(other_option, data, SessionStatus::foreign);
}

void memory_of_a_session() {
  const Network<float> network(filter(64), 1);
  const auto bytes = [&](Index capacity) {
    const std::size_t before = allocated;
    const Sessions<float> pool(network, capacity);
    return allocated - before;
  };
  const std::size_t state = 2 * 64 * sizeof(float);
  bytes(1);  // the model keeps its packed weights
  CHECK(bytes(20'000) - bytes(10'000) <= 10'000 * (state + 64));
  CHECK(bytes(20'000) - bytes(10'000) >= 10'000 * state);  // they are counted
}

void interrupted() {
  struct AtOnce final : Interrupt {
    bool requested() noexcept override { return true; }
  } at_once;
  const Network<float> network(filter(64), 1);
  Opened<float> opened(network, 100, 100);
  std::vector<float> x(100 * 20'000), y(x.size());
  {
    const ScopedInterrupt scope(&at_once);
    CHECK(opened.pool.process(opened.ids.data(), 100, x.data(), y.data(), 20'000) ==
          SessionStatus::interrupted);
  }
  CHECK(opened.pool.process(opened.ids.data(), 100, x.data(), y.data(), 1) == kOk);
}

void bad_arguments() {
  const Network<float> good(filter(3), 0);
  for (Index capacity :
       {Index{0}, Index{-1}, (Index{1} << 24) + 1, std::numeric_limits<Index>::max()}) {
    CHECK_THROWS(Sessions<float>(good, capacity), "capacity: expected an integer in 1..");
  }
  LSTMConfig config;
  config.hidden_sizes = {3};
  config.bidirectional = true;
  CHECK_THROWS(Sessions<float>(LSTM<float>(config, 0), 1), "bidirectional");
  NetworkConfig at_once = filter(3);
  at_once.readout = Readout::mean;
  CHECK_THROWS(Sessions<float>(Network<float>(at_once, 0), 1), "a model whose readout");
}

}  // namespace

/// With a number: so many schedules, of each instruction set and type.
int main(int arguments, char** argument) {
  const int schedules = arguments > 1 ? std::atoi(argument[1]) : 100;
  const std::string chosen = isa();
  for (const std::string& name : isas()) {
    set_isa(name);
    schedules_equal_streams<float>(schedules, 0);
    schedules_equal_streams<double>(schedules, 1'000'000);
    in_place_and_alone();
    nan_stays_in_its_session();
    floating_point_mode();
  }
  set_isa(chosen);
  ids_are_checked();
  ids_do_not_come_again();
  snapshots_are_checked();
  memory_of_a_session();
  interrupted();
  bad_arguments();
  return check::report();
}
