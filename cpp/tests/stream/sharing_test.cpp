// What a stream costs beside others of its model: memory for its state alone, whether another one
// lives or not.

#include <cstdio>
#include <optional>

#include "peephole/initialise.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/allocated.hpp"
#include "support/check.hpp"

using namespace peephole;
using test::allocated;
using test::most_allocated;

namespace {

constexpr Index kHidden = 512;
/// The state, what a step computes from it, and room for the vectors of every instruction set.
constexpr std::size_t kMostPerStream = 64 * kHidden;

/// The most that f() allocates at any moment.
template <class F>
std::size_t cost(F&& f) {
  const std::size_t before = allocated;
  most_allocated = before;
  f();
  return most_allocated - before;
}

void check_costs(const std::string& isa) {
  NetworkConfig config;
  config.lstm.hidden_sizes = {kHidden};
  Network<float> network(config, 0);
  std::optional<Stream<float>> first, second, third;
  const std::size_t of_first = cost([&] { first.emplace(network); });
  const std::size_t of_second = cost([&] { second.emplace(network); });
  const std::size_t of_copy = cost([&] { third.emplace(*first); });
  first.reset();
  second.reset();
  third.reset();
  const std::size_t of_lonely = cost([&] { first.emplace(network); });
  std::printf("%s: first %zu bytes, second %zu, copy %zu, with no other alive %zu\n", isa.c_str(),
              of_first, of_second, of_copy, of_lonely);
  CHECK(of_first > sizeof(float) * 4 * kHidden * kHidden);
  for (const std::size_t bytes : {of_second, of_copy, of_lonely}) CHECK(bytes <= kMostPerStream);

  first.reset();
  const std::size_t held = allocated;
  network.release_workspaces();
  CHECK(allocated + sizeof(float) * 4 * kHidden * kHidden <= held);
  CHECK(cost([&] { first.emplace(network); }) > sizeof(float) * 4 * kHidden * kHidden);

  network.parameters().write().data(0)[0] += 1;
  second.emplace(network);
  CHECK(second->weights() != first->weights());
}

}  // namespace

int main() {
  for (const std::string& name : isas()) {
    set_isa(name);
    check_costs(name);
  }
  return check::report();
}
