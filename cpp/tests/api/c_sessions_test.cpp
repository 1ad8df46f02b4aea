#include <cstring>
#include <string>
#include <vector>

#include "peephole/files.hpp"
#include "peephole/peephole.h"
#include "peephole/stream.hpp"
#include "stream/networks.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr std::size_t kSessions = 5, kSteps = 3, kInputs = 2;

/// The message of the last call that failed.
bool says(const char* fragment) { return std::strstr(peephole_error(), fragment) != nullptr; }

NetworkConfig small() {
  NetworkConfig config;
  config.lstm.input_size = kInputs;
  config.lstm.hidden_sizes = {5, 4};
  return config;
}

/// A pool of the model in `file`, which is freed at once.
struct Pool {
  explicit Pool(const std::string& file, std::size_t capacity = kSessions) {
    peephole_model* model = nullptr;
    CHECK(peephole_load_memory(file.data(), file.size(), &model) == PEEPHOLE_OK);
    CHECK(peephole_sessions_new(model, capacity, &sessions) == PEEPHOLE_OK);
    peephole_free(model);
  }
  ~Pool() { peephole_sessions_free(sessions); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::vector<peephole_session> open(std::size_t count) {
    std::vector<peephole_session> ids(count);
    for (peephole_session& id : ids) {
      CHECK(peephole_sessions_open(sessions, &id) == PEEPHOLE_OK && id >= 0);
    }
    return ids;
  }

  peephole_sessions* sessions = nullptr;
};

peephole_status step(peephole_sessions* s, const peephole_session* ids, const float* x, float* y) {
  return peephole_sessions_step(s, ids, kSessions, x, y);
}
peephole_status step(peephole_sessions* s, const peephole_session* ids, const double* x,
                     double* y) {
  return peephole_sessions_step_double(s, ids, kSessions, x, y);
}
peephole_status process(peephole_sessions* s, const peephole_session* ids, const float* x, float* y,
                        const std::size_t* lengths) {
  return peephole_sessions_process(s, ids, kSessions, x, y, kSteps, lengths);
}
peephole_status process(peephole_sessions* s, const peephole_session* ids, const double* x,
                        double* y, const std::size_t* lengths) {
  return peephole_sessions_process_double(s, ids, kSessions, x, y, kSteps, lengths);
}
peephole_status get_state(peephole_sessions* s, peephole_session id, float* state) {
  return peephole_sessions_get_state(s, id, state);
}
peephole_status get_state(peephole_sessions* s, peephole_session id, double* state) {
  return peephole_sessions_get_state_double(s, id, state);
}
peephole_status set_state(peephole_sessions* s, peephole_session id, const float* state) {
  return peephole_sessions_set_state(s, id, state);
}
peephole_status set_state(peephole_sessions* s, peephole_session id, const double* state) {
  return peephole_sessions_set_state_double(s, id, state);
}

/// A block of unequal lengths and a step have the bits of streams; a state goes from one session to
/// another, a snapshot from one pool to another.
template <class T>
void equals_streams() {
  Random random(1);
  const Network<T> network = random_network<T>(small(), random, false);
  const std::string file = serialise(network);
  Pool pool(file), other(file, kSessions + 1);
  const std::vector<peephole_session> ids = pool.open(kSessions);
  const std::vector<T> x = random.values<T>(kSessions * kSteps * kInputs);
  const std::vector<std::size_t> lengths = {3, 0, 2, 3, 1};
  std::vector<T> y(kSessions * kSteps, T{7}), expected(y.size());
  CHECK(process(pool.sessions, ids.data(), x.data(), y.data(), lengths.data()) == PEEPHOLE_OK);
  std::vector<Stream<T>> streams;
  for (std::size_t n = 0; n < kSessions; ++n) {
    streams.emplace_back(network);
    streams[n].process(&x[n * kSteps * kInputs], &expected[n * kSteps],
                       static_cast<Index>(lengths[n]));
  }
  CHECK(same_bits(y, expected));

  std::vector<char> snapshot(peephole_sessions_snapshot_size(pool.sessions));
  CHECK(peephole_sessions_snapshot(pool.sessions, snapshot.data()) == PEEPHOLE_OK);
  y.resize(kSessions);
  expected.resize(kSessions);
  std::vector<T> restored(kSessions);
  CHECK(step(pool.sessions, ids.data(), x.data(), y.data()) == PEEPHOLE_OK);
  for (std::size_t n = 0; n < kSessions; ++n) streams[n].step(&x[n * kInputs], &expected[n]);
  CHECK(same_bits(y, expected));
  CHECK(peephole_sessions_restore(other.sessions, snapshot.data(), snapshot.size()) == PEEPHOLE_OK);
  CHECK(step(other.sessions, ids.data(), x.data(), restored.data()) == PEEPHOLE_OK);
  CHECK(same_bits(restored, y));
  snapshot.back() = static_cast<char>(snapshot.back() ^ 1);
  CHECK(peephole_sessions_restore(other.sessions, snapshot.data(), snapshot.size()) ==
        PEEPHOLE_BAD_SNAPSHOT);

  std::vector<T> state(18);
  CHECK(get_state(pool.sessions, ids[0], state.data()) == PEEPHOLE_OK);
  CHECK(set_state(pool.sessions, ids[1], state.data()) == PEEPHOLE_OK);
  CHECK(peephole_sessions_reset(pool.sessions, ids[2]) == PEEPHOLE_OK);
  CHECK(step(pool.sessions, ids.data(), x.data(), y.data()) == PEEPHOLE_OK);
  streams[0].step(&x[kInputs], &expected[1]);
  streams[2].reset();
  streams[2].step(&x[2 * kInputs], &expected[2]);
  CHECK(y[1] == expected[1] && y[2] == expected[2]);
}

void refusals() {
  const std::string file = serialise(Network<float>(small(), 1));
  Pool pool(file);
  peephole_sessions* const s = pool.sessions;
  std::vector<peephole_session> ids = pool.open(kSessions);
  peephole_session more = 0;
  CHECK(peephole_sessions_capacity(s) == kSessions && peephole_sessions_count(s) == kSessions);
  CHECK(peephole_sessions_open(s, &more) == PEEPHOLE_FULL && says("sessions: "));
  CHECK(peephole_sessions_close(s, ids[2]) == PEEPHOLE_OK);
  CHECK(!peephole_sessions_contains(s, ids[2]) && peephole_sessions_contains(s, ids[1]));
  std::vector<peephole_session> open(peephole_sessions_count(s));
  peephole_sessions_ids(s, open.data());
  CHECK(open == (std::vector<peephole_session>{ids[0], ids[1], ids[3], ids[4]}));

  float x[kSessions * kInputs] = {}, y[kSessions] = {}, state[18];
  CHECK(step(s, ids.data(), x, y) == PEEPHOLE_BAD_ARGUMENT);
  CHECK(says("ids: expected open sessions, got 2 at position 2"));
  ids[2] = ids[1];
  CHECK(step(s, ids.data(), x, y) == PEEPHOLE_BAD_ARGUMENT);
  CHECK(says("ids: expected each session once, got 1 again at position 2"));
  const std::size_t lengths[] = {1, 2};
  CHECK(peephole_sessions_process(s, ids.data(), 2, x, y, 1, lengths) == PEEPHOLE_BAD_ARGUMENT);
  CHECK(says("lengths: "));
  CHECK(peephole_sessions_process(s, ids.data(), 2, x, y, ~std::size_t{0}, nullptr) ==
        PEEPHOLE_BAD_ARGUMENT);
  CHECK(says("steps: "));
  CHECK(peephole_sessions_close(s, -1) == PEEPHOLE_BAD_ARGUMENT && says("id: "));
  CHECK(get_state(s, 99, state) == PEEPHOLE_BAD_ARGUMENT && says("got 99"));
  const double wide = 0;
  double result = 0;
  CHECK(peephole_sessions_step_double(s, ids.data(), 1, &wide, &result) == PEEPHOLE_BAD_ARGUMENT);
  CHECK(says("x: expected float, the model's type, got double"));
  CHECK(step(s, nullptr, x, y) == PEEPHOLE_BAD_ARGUMENT && says("ids: "));
  CHECK(step(nullptr, ids.data(), x, y) == PEEPHOLE_BAD_ARGUMENT && says("sessions: "));
  CHECK(peephole_sessions_step(s, nullptr, 0, nullptr, nullptr) == PEEPHOLE_OK);
  CHECK(peephole_sessions_count(nullptr) == 0 && peephole_sessions_capacity(nullptr) == 0);
  peephole_sessions_free(nullptr);

  peephole_sessions* none = s;
  CHECK(peephole_sessions_new(nullptr, 1, &none) == PEEPHOLE_BAD_ARGUMENT && says("model: "));
  CHECK(none == nullptr);
  for (std::size_t capacity : {std::size_t{0}, (std::size_t{1} << 24) + 1, ~std::size_t{0}}) {
    CHECK(peephole_sessions_new(nullptr, capacity, &none) == PEEPHOLE_BAD_ARGUMENT);
    CHECK(says("capacity: expected 1..16777216"));
  }
}

}  // namespace

int main() {
  equals_streams<float>();
  equals_streams<double>();
  refusals();
  return check::report();
}
