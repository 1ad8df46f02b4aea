#include <cstdio>
#include <type_traits>
#include <utility>
#include <variant>

#include "api/c_model.hpp"
#include "peephole/peephole.h"
#include "peephole/sessions.hpp"

struct peephole_sessions {
  std::variant<peephole::Sessions<float>, peephole::Sessions<double>> pool;
};

namespace peephole::c {
namespace {

peephole_status no_sessions() noexcept {
  return fail(PEEPHOLE_BAD_ARGUMENT, "sessions: expected a pool of sessions, got NULL");
}

/// What a call on one session says.
peephole_status of_one(SessionStatus status, peephole_session id) noexcept {
  if (status == SessionStatus::ok) return PEEPHOLE_OK;
  char text[96];
  std::snprintf(text, sizeof text, "id: expected an open session, got %lld", id);
  return fail(PEEPHOLE_BAD_ARGUMENT, text);
}

/// What a call on several sessions says.
peephole_status of_several(SessionStatus status, const peephole_session* ids,
                           Index position) noexcept {
  if (status == SessionStatus::ok) return PEEPHOLE_OK;
  char text[128];
  if (status == SessionStatus::bad_length) {
    std::snprintf(text, sizeof text, "lengths: expected at most `steps`, got more at position %lld",
                  static_cast<long long>(position));
    return fail(PEEPHOLE_BAD_ARGUMENT, text);
  }
  const bool again = status == SessionStatus::repeated;
  std::snprintf(text, sizeof text, "ids: expected %s, got %lld%s at position %lld",
                again ? "each session once" : "open sessions", ids[position], again ? " again" : "",
                static_cast<long long>(position));
  return fail(PEEPHOLE_BAD_ARGUMENT, text);
}

/// Runs `f` on the pool, whatever its type.
template <class Pools, class F>
peephole_status on_pool(Pools* sessions, F&& f) noexcept {
  if (sessions == nullptr) return no_sessions();
  return std::visit(f, sessions->pool);
}

/// Runs `f` on the pool if it is of T; `name` is that of the argument of that type.
template <class T, class Pools, class F>
peephole_status on_pool_of(Pools* sessions, const char* name, F&& f) noexcept {
  if (sessions == nullptr) return no_sessions();
  auto* const pool = std::get_if<Sessions<T>>(&sessions->pool);
  return pool != nullptr ? f(*pool) : other_type(name, std::is_same_v<T, float>);
}

template <class T>
peephole_status process_sessions(peephole_sessions* sessions, const peephole_session* ids, size_t n,
                                 const T* x, T* y, size_t steps, const size_t* lengths) noexcept {
  return on_pool_of<T>(sessions, "x", [&](Sessions<T>& pool) {
    if (n > 0 && ids == nullptr) return null_argument("ids");
    if (!addressable<T>(pool, steps)) {
      return fail(PEEPHOLE_BAD_ARGUMENT, "steps: expected steps that memory can hold, got more");
    }
    if (n > 0 && steps > 0 && x == nullptr) return null_argument("x");
    if (n > 0 && steps > 0 && y == nullptr) return null_argument("y");
    const SessionStatus status =
        pool.process(ids, static_cast<Index>(n), x, y, static_cast<Index>(steps),
                     reinterpret_cast<const Index*>(lengths));  // the signed type of size_t
    return of_several(status, ids, pool.position());
  });
}

template <class T>
peephole_status get_session_state(const peephole_sessions* sessions, peephole_session id,
                                  T* state) noexcept {
  return on_pool_of<T>(sessions, "state", [&](const Sessions<T>& pool) {
    if (state == nullptr) return null_argument("state");
    SessionStatus status = SessionStatus::ok;  // the same for all layers
    for_each_layer(pool, state, [&](Index layer, StateView<T> part) {
      status = pool.get_state(id, layer, part);
    });
    return of_one(status, id);
  });
}

template <class T>
peephole_status set_session_state(peephole_sessions* sessions, peephole_session id,
                                  const T* state) noexcept {
  return on_pool_of<T>(sessions, "state", [&](Sessions<T>& pool) {
    if (state == nullptr) return null_argument("state");
    SessionStatus status = SessionStatus::ok;  // the same for all layers
    for_each_layer(pool, state, [&](Index layer, StateView<const T> part) {
      status = pool.set_state(id, layer, part);
    });
    return of_one(status, id);
  });
}

}  // namespace
}  // namespace peephole::c

using namespace peephole;
using namespace peephole::c;

peephole_status peephole_sessions_new(const peephole_model* model, size_t capacity,
                                      peephole_sessions** sessions) {
  constexpr auto kMost = static_cast<size_t>(Sessions<float>::kMostSessions);
  if (capacity < 1 || capacity > kMost) {
    if (sessions != nullptr) *sessions = nullptr;
    char text[96];
    std::snprintf(text, sizeof text, "capacity: expected 1..%zu, got %zu", kMost, capacity);
    return fail(PEEPHOLE_BAD_ARGUMENT, text);
  }
  return create(sessions, model, "model", [&] {
    return std::visit(
        [&](const auto& stream) {
          return new peephole_sessions{Sessions(stream, static_cast<Index>(capacity))};
        },
        model->stream);
  });
}

void peephole_sessions_free(peephole_sessions* sessions) { delete sessions; }

size_t peephole_sessions_capacity(const peephole_sessions* sessions) {
  if (sessions == nullptr) return 0;
  return std::visit([](const auto& pool) { return static_cast<size_t>(pool.capacity()); },
                    sessions->pool);
}

size_t peephole_sessions_count(const peephole_sessions* sessions) {
  if (sessions == nullptr) return 0;
  return std::visit([](const auto& pool) { return static_cast<size_t>(pool.size()); },
                    sessions->pool);
}

int peephole_sessions_contains(const peephole_sessions* sessions, peephole_session id) {
  if (sessions == nullptr) return 0;
  return std::visit([&](const auto& pool) { return pool.contains(id) ? 1 : 0; }, sessions->pool);
}

void peephole_sessions_ids(const peephole_sessions* sessions, peephole_session* ids) {
  if (sessions == nullptr || ids == nullptr) return;
  std::visit([&](const auto& pool) { pool.ids(ids); }, sessions->pool);
}

peephole_status peephole_sessions_open(peephole_sessions* sessions, peephole_session* id) {
  if (id == nullptr) return null_argument("id");
  return on_pool(sessions, [&](auto& pool) {
    if (pool.open(*id) == SessionStatus::ok) return PEEPHOLE_OK;
    return fail(PEEPHOLE_FULL, "sessions: as many are open as the pool has room for");
  });
}

peephole_status peephole_sessions_close(peephole_sessions* sessions, peephole_session id) {
  return on_pool(sessions, [&](auto& pool) { return of_one(pool.close(id), id); });
}

peephole_status peephole_sessions_reset(peephole_sessions* sessions, peephole_session id) {
  return on_pool(sessions, [&](auto& pool) { return of_one(pool.reset(id), id); });
}

peephole_status peephole_sessions_step(peephole_sessions* sessions, const peephole_session* ids,
                                       size_t n, const float* x, float* y) {
  return process_sessions(sessions, ids, n, x, y, 1, nullptr);
}

peephole_status peephole_sessions_step_double(peephole_sessions* sessions,
                                              const peephole_session* ids, size_t n,
                                              const double* x, double* y) {
  return process_sessions(sessions, ids, n, x, y, 1, nullptr);
}

peephole_status peephole_sessions_process(peephole_sessions* sessions, const peephole_session* ids,
                                          size_t n, const float* x, float* y, size_t steps,
                                          const size_t* lengths) {
  return process_sessions(sessions, ids, n, x, y, steps, lengths);
}

peephole_status peephole_sessions_process_double(peephole_sessions* sessions,
                                                 const peephole_session* ids, size_t n,
                                                 const double* x, double* y, size_t steps,
                                                 const size_t* lengths) {
  return process_sessions(sessions, ids, n, x, y, steps, lengths);
}

peephole_status peephole_sessions_get_state(const peephole_sessions* sessions, peephole_session id,
                                            float* state) {
  return get_session_state(sessions, id, state);
}

peephole_status peephole_sessions_get_state_double(const peephole_sessions* sessions,
                                                   peephole_session id, double* state) {
  return get_session_state(sessions, id, state);
}

peephole_status peephole_sessions_set_state(peephole_sessions* sessions, peephole_session id,
                                            const float* state) {
  return set_session_state(sessions, id, state);
}

peephole_status peephole_sessions_set_state_double(peephole_sessions* sessions, peephole_session id,
                                                   const double* state) {
  return set_session_state(sessions, id, state);
}

size_t peephole_sessions_snapshot_size(const peephole_sessions* sessions) {
  if (sessions == nullptr) return 0;
  return std::visit([](const auto& pool) { return pool.snapshot_size(); }, sessions->pool);
}

peephole_status peephole_sessions_snapshot(const peephole_sessions* sessions, void* data) {
  if (data == nullptr) return null_argument("data");
  return on_pool(sessions, [&](const auto& pool) {
    pool.snapshot(data);
    return PEEPHOLE_OK;
  });
}

peephole_status peephole_sessions_restore(peephole_sessions* sessions, const void* data,
                                          size_t size) {
  if (data == nullptr) return null_argument("data");
  return on_pool(sessions, [&](auto& pool) {
    const SessionStatus status = pool.restore(data, size);
    if (status == SessionStatus::ok) return PEEPHOLE_OK;
    return fail(PEEPHOLE_BAD_SNAPSHOT,
                status == SessionStatus::foreign
                    ? "data: expected a snapshot of a pool of this model and of no more capacity, "
                      "got another one"
                    : "data: expected a snapshot, got a damaged one");
  });
}
