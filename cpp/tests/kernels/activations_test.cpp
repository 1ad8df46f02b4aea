// The activations of every instruction set of this machine: their stated errors, their limits, and
// their bits at every lane.

#include "kernels/activations.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <vector>

#include "runtime/isa.hpp"
#include "support/check.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_baseline;
extern const ActivationFunctions activations_avx2;
extern const ActivationFunctions activations_avx512;
extern const ActivationFunctions activations_neon;

namespace {

using Real = long double;

template <class T>
using Function = ActivationFunction<T>;

struct Row {
  Isa isa;
  const ActivationFunctions& functions;
};

constexpr Row kTable[] = {
    {Isa::baseline, activations_baseline},
#if defined(PEEPHOLE_HAS_AVX2)
    {Isa::avx2, activations_avx2},
#endif
#if defined(PEEPHOLE_HAS_AVX512)
    {Isa::avx512, activations_avx512},
#endif
#if defined(PEEPHOLE_HAS_NEON)
    {Isa::neon, activations_neon},
#endif
};

template <class T>
const ActivationFunctionsOf<T>& functions(Isa isa) {
  const auto is_of = [isa](const Row& row) { return row.isa == isa; };
  return std::find_if(std::begin(kTable), std::end(kTable), is_of)->functions;
}

Function<float> activate(Isa isa, float) { return functions<float>(isa).activate; }
Function<double> activate(Isa isa, double) { return functions<double>(isa).activate; }
Function<float> derivative(Isa isa, float) { return functions<float>(isa).derivative; }
Function<double> derivative(Isa isa, double) { return functions<double>(isa).derivative; }

template <class T>
T one_value(Function<T> f, Activation activation, T a) {
  T y;
  f(activation, &a, &y, 1);
  return y;
}

Real exact(Activation activation, Real a) {
  switch (activation) {
    case Activation::sigmoid: return 1 / (1 + std::exp(-a));
    case Activation::tanh: return std::tanh(a);
    case Activation::identity: return a;
    case Activation::relu: return a > 0 ? a : 0;
    case Activation::softsign: return std::isinf(a) ? std::copysign(1, a) : a / (1 + std::fabs(a));
    case Activation::softplus: return (a > 0 ? a : 0) + std::log1p(std::exp(-std::fabs(a)));
    case Activation::hard_sigmoid: return std::fmin(std::fmax(Real(0.2L) * a + 0.5L, 0), 1);
    case Activation::one: break;
  }
  return 1;
}

/// At the a where y is taken.
Real exact_derivative(Activation activation, Real a) {
  const Real y = exact(activation, a);
  switch (activation) {
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    case Activation::identity: return 1;
    case Activation::relu: return a > 0 ? 1 : 0;
    case Activation::softsign: return 1 / ((1 + std::fabs(a)) * (1 + std::fabs(a)));
    case Activation::softplus: return 1 / (1 + std::exp(-a));
    case Activation::hard_sigmoid: return y > 0 && y < 1 ? 0.2L : 0;
    case Activation::one: break;
  }
  return 0;
}

/// The distance of T's numbers at |y|.
template <class T>
Real ulp(Real y) {
  const T magnitude = static_cast<T>(std::fabs(y));
  return Real(std::nextafter(magnitude, std::numeric_limits<T>::infinity())) - Real(magnitude);
}

/// As stated in activations.hpp.
Real max_ulp(Activation activation) {
  switch (activation) {
    case Activation::sigmoid: return 3;
    case Activation::tanh: return 4;
    case Activation::softsign: return 2;
    case Activation::softplus: return 4;
    case Activation::hard_sigmoid: return 2;
    default: return 0;
  }
}

constexpr Activation kAll[] = {Activation::sigmoid,      Activation::tanh,     Activation::identity,
                               Activation::relu,         Activation::softsign, Activation::softplus,
                               Activation::hard_sigmoid, Activation::one};

/// A sweep over the useful range, magnitudes down to denormals, and the extremes.
template <class T>
std::vector<T> sweep() {
  using Limits = std::numeric_limits<T>;
  std::mt19937 random(3);
  std::uniform_real_distribution<double> exponent(Limits::min_exponent - 10, 12);
  std::vector<T> values = {T(0),
                           -T(0),
                           Limits::infinity(),
                           -Limits::infinity(),
                           Limits::max(),
                           Limits::lowest(),
                           Limits::min(),
                           -Limits::min(),
                           Limits::denorm_min(),
                           -Limits::denorm_min()};
  const T reach = sizeof(T) == sizeof(float) ? T(110) : T(760);
  for (int k = -100000; k <= 100000; ++k) values.push_back(reach * T(k) / 100000);
  for (int k = -50000; k <= 50000; ++k) values.push_back(T(10) * T(k) / 50000);
  for (int k = 0; k < 50000; ++k) {
    const T magnitude = static_cast<T>(std::exp2(exponent(random)));
    values.push_back(k % 2 == 0 ? magnitude : -magnitude);
  }
  values.resize(values.size() / 16 * 16);
  return values;
}

template <class T>
void check_errors(Isa isa) {
  const std::vector<T> a = sweep<T>();
  std::vector<T> y(a.size());
  const Real smallest = std::numeric_limits<T>::min();
  for (Activation activation : kAll) {
    activate(isa, T())(activation, a.data(), y.data(), static_cast<Index>(a.size()));
    Real worst = 0;
    bool small_enough = true;
    for (std::size_t k = 0; k < a.size(); ++k) {
      const Real expected = exact(activation, a[k]);
      if (std::isinf(expected) || (activation == Activation::identity && y[k] == a[k])) continue;
      if (std::fabs(expected) < smallest) {
        small_enough &= std::fabs(y[k]) <= smallest;
        continue;
      }
      const Real unit = ulp<T>(activation == Activation::hard_sigmoid ? 0.5L : expected);
      const Real error = std::fabs(y[k] - expected) / unit;
      if (!(error <= worst)) worst = error;
    }
    check::note(worst <= max_ulp(activation) && small_enough, __FILE__, __LINE__,
                std::string(to_string(isa)) + ", " + std::to_string(sizeof(T)) +
                    " bytes, activation " + std::to_string(static_cast<int>(activation)) + ": " +
                    std::to_string(worst) + " ULP");
  }
}

/// float so densely that no step of a polynomial's reduction falls through: every 97th number of
/// these magnitudes. double is exact enough to tell a float's error.
void check_floats_densely(Isa isa) {
  constexpr float kFrom = 0x1p-20f, kTo = 128;
  constexpr std::uint32_t kStride = 97;
  std::uint32_t first, last;
  std::memcpy(&first, &kFrom, sizeof first);
  std::memcpy(&last, &kTo, sizeof last);
  std::vector<float> a;
  for (std::uint32_t bits = first; bits < last; bits += kStride) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    a.push_back(value);
    a.push_back(-value);
  }
  a.resize(a.size() / 16 * 16);
  std::vector<float> y(a.size());
  for (Activation activation : {Activation::sigmoid, Activation::tanh}) {
    activate(isa, float())(activation, a.data(), y.data(), static_cast<Index>(a.size()));
    double worst = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      const double exact = activation == Activation::tanh ? std::tanh(double{a[k]})
                                                          : 1 / (1 + std::exp(-double{a[k]}));
      if (std::fabs(exact) < std::numeric_limits<float>::min()) continue;
      const double error = std::fabs(y[k] - exact) / static_cast<double>(ulp<float>(exact));
      if (!(error <= worst)) worst = error;
    }
    check::note(worst <= max_ulp(activation), __FILE__, __LINE__,
                std::string(to_string(isa)) + ", densely, activation " +
                    std::to_string(static_cast<int>(activation)) + ": " + std::to_string(worst) +
                    " ULP");
  }
}

template <class T>
void check_limits(Isa isa) {
  using Limits = std::numeric_limits<T>;
  const auto f = activate(isa, T());
  for (Activation activation : kAll) {
    const T y = one_value(f, activation, Limits::quiet_NaN());
    CHECK(std::isnan(y) == (activation != Activation::one));
  }
  for (T a : {T(1000), Limits::max(), Limits::infinity()}) {
    CHECK(one_value(f, Activation::sigmoid, a) == 1);
    CHECK(one_value(f, Activation::sigmoid, -a) <= Limits::min());
    CHECK(one_value(f, Activation::tanh, a) == 1 && one_value(f, Activation::tanh, -a) == -1);
    CHECK(one_value(f, Activation::softplus, a) == a);
    CHECK(one_value(f, Activation::softsign, a) <= 1 &&
          one_value(f, Activation::softsign, -a) >= -1);
  }
  CHECK(one_value(f, Activation::softsign, Limits::infinity()) == 1);
  const std::vector<T> a = sweep<T>();
  std::vector<T> y(a.size());
  for (Activation activation : {Activation::sigmoid, Activation::tanh, Activation::softsign}) {
    f(activation, a.data(), y.data(), static_cast<Index>(a.size()));
    const T lowest = activation == Activation::sigmoid ? T(0) : T(-1);
    bool within = true;
    for (T value : y) within &= lowest <= value && value <= 1;
    CHECK(within);
  }
}

/// A value's bits are the same at every lane, in full vectors and in part of one.
template <class T>
void check_lanes(Isa isa) {
  const std::vector<T> a = sweep<T>();
  const auto f = activate(isa, T());
  bool same = true;
  for (Activation activation : kAll) {
    for (std::size_t k = 0; k + 31 < a.size(); k += 997) {
      T vector[16], shifted[16];
      f(activation, &a[k], vector, 16);
      for (Index n = 1; n < 16; ++n) {
        f(activation, &a[k] + (16 - n), shifted, n);
        same &=
            std::memcmp(shifted, vector + (16 - n), static_cast<std::size_t>(n) * sizeof(T)) == 0;
      }
    }
  }
  CHECK(same);
}

template <class T>
void check_derivatives(Isa isa) {
  // Of y as rounded; a derivative that is near 0 loses what 1 - y has lost.
  const Real tolerance = 8 * Real(std::numeric_limits<T>::epsilon());
  for (Activation activation : kAll) {
    Real worst = 0;
    for (T a = -6; a <= 6; a += T(0.0371)) {
      const T y = one_value(activate(isa, T()), activation, a);
      const T d = one_value(derivative(isa, T()), activation, y);
      worst = std::fmax(worst, std::fabs(Real(d) - exact_derivative(activation, a)));
    }
    check::note(worst <= tolerance, __FILE__, __LINE__,
                "derivative of activation " + std::to_string(static_cast<int>(activation)) + ": " +
                    std::to_string(worst));
  }
}

template <class T>
void check_all(Isa isa) {
  check_errors<T>(isa);
  check_limits<T>(isa);
  check_lanes<T>(isa);
  check_derivatives<T>(isa);
}

}  // namespace
}  // namespace peephole::test

int main() {
  for (peephole::Isa isa : peephole::available_isas()) {
    peephole::test::check_all<float>(isa);
    peephole::test::check_floats_densely(isa);
    peephole::test::check_all<double>(isa);
  }
  return check::report();
}
