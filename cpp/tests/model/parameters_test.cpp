#include "peephole/parameters.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "model/parameters_access.hpp"
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
  const T* const flat = ParametersAccess<T>::flat(parameters);
  const T total = std::accumulate(flat, flat + parameters.flat_size(), T{0});
  CHECK(total == T{15 * 16 / 2 + 7 * 8 / 2 + 1});  // so the gaps hold zeros
  CHECK(std::equal(parameters.data(1), parameters.data(1) + 7, ramp<T>(7).begin()));
}

using Access = ParametersAccess<double>;

/// The revision moves with every change of the values, and with nothing else.
void revisions() {
  Parameters<double> parameters(kSpecs);
  std::uint64_t before = Access::refresh(parameters);
  CHECK(before > 0);
  const auto moved = [&] {
    const std::uint64_t now = Access::refresh(parameters);
    const bool changed = now != before;
    CHECK(Access::revision(parameters) == now);
    before = now;
    return changed;
  };
  CHECK(!moved());
  Access::announce(parameters);
  CHECK(moved());
  parameters.assign(1, ramp<double>(7).data());
  CHECK(moved());
  CHECK(!moved());

  {
    auto reader = parameters.write();
    CHECK(reader.data(1)[2] == 3);
    CHECK(!moved());
    auto first = parameters.write(), second = std::move(first);
    double* const values = second.data(1);
    CHECK(values == reader.data(1));
    CHECK(!moved());
    values[2] = 4;
    CHECK(moved());
    CHECK(!moved());
    values[2] = 5;
  }
  CHECK(moved());  // also after the writer's end
  CHECK(!moved());
  parameters.write().data(0)[0] = 1;
  parameters.write().data(2);  // another tensor, not written to
  CHECK(moved());
  CHECK(!moved());

  // Bits count, not values: 0 and -0, and one NaN and another.
  parameters.write().data(0)[1] = -0.0;
  CHECK(moved());
  parameters.write().data(0)[1] = std::nan("");
  CHECK(moved());
  CHECK(!moved());
}

void a_writer_outlives_the_parameters() {
  auto parameters = std::make_unique<Parameters<float>>(kSpecs);
  auto writer = parameters->write();
  float* values = writer.data(0);
  parameters.reset();
  values[0] = 2;  // a sanitizer would object
  CHECK(writer.data(0)[0] == 2);
}

void identities() {
  std::uint64_t dead = 0;
  {
    Parameters<double> parameters(kSpecs);
    dead = Access::identity(parameters);
  }
  Parameters<double> a(kSpecs), b(kSpecs);
  Parameters<float> c(kSpecs);
  CHECK(Access::identity(a) != Access::identity(b));
  CHECK(Access::identity(a) != dead);
  CHECK(ParametersAccess<float>::identity(c) != Access::identity(b));
}

void masks() {
  Parameters<double> parameters(kSpecs);
  CHECK(!parameters.masked(1));
  CHECK(parameters.mask(1) == nullptr);
  parameters.assign(1, ramp<double>(7).data());

  const bool first[7] = {true, false, true, true, true, true, true};
  const bool second[7] = {true, true, true, false, true, true, true};
  const std::uint64_t before = Access::refresh(parameters);
  parameters.mask(1, first);
  CHECK(Access::refresh(parameters) != before);
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

  auto writer = parameters.write();
  double* values = writer.data(1);
  values[1] = std::nan("");
  values[2] = 9;
  Access::refresh(parameters);
  CHECK(values[1] == 0);
  CHECK(values[2] == 9);
  values[3] = 1;
  const std::uint64_t unchanged = Access::revision(parameters);
  CHECK(Access::refresh(parameters) == unchanged);  // a write to masked values changes nothing
  CHECK(values[3] == 0);

  // A view of the parameter itself may be assigned to it.
  parameters.assign(1, values);
  CHECK(values[2] == 9);

  std::vector<double> gradients(static_cast<std::size_t>(parameters.flat_size()), 1.0);
  Access::mask_gradients(parameters, gradients.data());
  const double kept = std::accumulate(gradients.begin(), gradients.end(), 0.0);
  Index values_in_tensors = 0;
  for (const ParameterSpec& spec : parameters.specs()) values_in_tensors += spec.size();
  // Two values are masked; the gaps between tensors are cleared too.
  CHECK_CLOSE(kept, static_cast<double>(values_in_tensors - 2), 0);
}

}  // namespace

int main() {
  layout<float>();
  layout<double>();
  revisions();
  a_writer_outlives_the_parameters();
  identities();
  masks();
  return check::report();
}
