#include "peephole/parameters.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "support/check.hpp"

using namespace peephole;

namespace {

constexpr std::uintptr_t kCacheLine = 64;

const std::vector<ParameterSpec> kSpecs = {{"a", 3, 5}, {"b", 7, 0}, {"c", 1, 1}};

template <class T>
std::vector<T> ramp(Index size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  std::iota(values.begin(), values.end(), T{1});
  return values;
}

template <class T>
void layout() {
  Parameters<T> parameters(kSpecs);
  CHECK(parameters.specs().size() == 3);
  CHECK(parameters.find("b") == 1);
  CHECK(parameters.find("d") == -1);
  Index end = 0;
  for (Index i = 0; i < 3; ++i) {
    CHECK(parameters.offset(i) >= end);
    CHECK(reinterpret_cast<std::uintptr_t>(parameters.data(i)) % kCacheLine == 0);
    end = parameters.offset(i) + kSpecs[static_cast<std::size_t>(i)].size();
  }
  CHECK(parameters.flat_size() >= end);

  for (Index i = 0; i < 3; ++i) parameters.assign(i, ramp<T>(15).data());
  const T total =
      std::accumulate(parameters.flat(), parameters.flat() + parameters.flat_size(), T{0});
  CHECK(total == T{15 * 16 / 2 + 7 * 8 / 2 + 1});  // so the gaps hold zeros
  CHECK(std::equal(parameters.data(1), parameters.data(1) + 7, ramp<T>(7).begin()));
}

void revisions() {
  Parameters<double> parameters(kSpecs);
  std::uint64_t before = parameters.revision();
  CHECK(before != Parameters<double>::kNeverSettled);
  CHECK(parameters.revision() == before);

  const auto moved = [&](std::uint64_t writes) {
    const bool changed = parameters.revision() != before && parameters.writes() == writes;
    before = parameters.revision();
    return changed;
  };
  const std::uint64_t writes = parameters.writes();
  parameters.touch();
  CHECK(moved(writes + 1));
  parameters.assign(1, ramp<double>(7).data());
  CHECK(moved(writes + 2));

  std::shared_ptr<void> lease = parameters.lease();
  CHECK(parameters.revision() == Parameters<double>::kNeverSettled);
  std::shared_ptr<void> copy = lease;
  std::shared_ptr<void> second = parameters.lease();
  lease.reset();
  copy.reset();
  CHECK(parameters.revision() == Parameters<double>::kNeverSettled);
  second.reset();
  CHECK(parameters.revision() != Parameters<double>::kNeverSettled);
  CHECK(moved(writes + 2));  // what happened through the lease is a change, but no announced write
}

void a_lease_outlives_the_parameters() {
  auto parameters = std::make_unique<Parameters<float>>(kSpecs);
  float* values = parameters->mutable_flat();
  const std::shared_ptr<void> lease = parameters->lease();
  parameters.reset();
  values[0] = 2;  // a sanitizer would object
  CHECK(values[0] == 2);
}

void identities() {
  std::uint64_t dead = 0;
  {
    Parameters<float> parameters(kSpecs);
    dead = parameters.identity();
  }
  Parameters<float> a(kSpecs), b(kSpecs);
  Parameters<double> c(kSpecs);
  CHECK(a.identity() != b.identity());
  CHECK(a.identity() != dead);
  CHECK(c.identity() != b.identity());
}

void masks() {
  Parameters<double> parameters(kSpecs);
  CHECK(!parameters.masked(1));
  CHECK(parameters.mask(1) == nullptr);
  parameters.assign(1, ramp<double>(7).data());

  const bool first[7] = {true, false, true, true, true, true, true};
  const bool second[7] = {true, true, true, false, true, true, true};
  const std::uint64_t before = parameters.revision();
  parameters.mask(1, first);
  CHECK(parameters.revision() != before);
  parameters.mask(1, second);  // adds up
  CHECK(parameters.masked(1) && !parameters.masked(0));
  const auto connected = [](Index j) { return j != 1 && j != 3; };
  for (Index j = 0; j < 7; ++j) {
    CHECK(parameters.mask(1)[j] == connected(j));
    CHECK_CLOSE(parameters.data(1)[j], connected(j) ? static_cast<double>(j + 1) : 0.0, 0);
  }

  parameters.assign(1, ramp<double>(7).data());
  CHECK(parameters.data(1)[1] == 0);
  CHECK(parameters.data(1)[2] == 3);

  const auto lease = parameters.lease();
  double* values = parameters.mutable_flat() + parameters.offset(1);
  values[1] = std::nan("");
  values[2] = 9;
  parameters.settle();
  CHECK(values[1] == 0);
  CHECK(values[2] == 9);

  std::vector<double> gradients(static_cast<std::size_t>(parameters.flat_size()), 1.0);
  parameters.mask_gradients(gradients.data());
  const double kept = std::accumulate(gradients.begin(), gradients.end(), 0.0);
  CHECK_CLOSE(kept, static_cast<double>(parameters.flat_size() - 2), 0);
}

}  // namespace

int main() {
  layout<float>();
  layout<double>();
  revisions();
  a_lease_outlives_the_parameters();
  identities();
  masks();
  return check::report();
}
