#pragma once

#include <cmath>
#include <type_traits>

namespace peephole {

/// A value and its derivative along one direction: arithmetic on such dual numbers is forward-mode
/// differentiation (R. E. Wengert, "A simple automatic derivative evaluation program",
/// Communications of the ACM 7 (1964), doi:10.1145/355586.364791). The reference path computes with
/// them as it does with float and double, so its passes yield their exact derivatives.
///
/// Order is that of the values alone: at a clip or a kink, the derivative is that of the side that
/// the value is on. Equal are numbers of which both parts are.
struct Dual {
  double value = 0;
  double tangent = 0;

  constexpr Dual() noexcept = default;
  constexpr Dual(double of_value, double of_tangent = 0) noexcept
      : value(of_value), tangent(of_tangent) {}
  template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
  constexpr Dual(Integer of_value) noexcept : value(static_cast<double>(of_value)) {}

  constexpr Dual& operator+=(Dual b) noexcept { return *this = *this + b; }
  constexpr Dual& operator-=(Dual b) noexcept { return *this = *this - b; }
  constexpr Dual& operator*=(Dual b) noexcept { return *this = *this * b; }
  constexpr Dual& operator/=(Dual b) noexcept { return *this = *this / b; }

  friend constexpr Dual operator+(Dual a) noexcept { return a; }
  friend constexpr Dual operator-(Dual a) noexcept { return {-a.value, -a.tangent}; }
  friend constexpr Dual operator+(Dual a, Dual b) noexcept {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  friend constexpr Dual operator-(Dual a, Dual b) noexcept {
    return {a.value - b.value, a.tangent - b.tangent};
  }
  friend constexpr Dual operator*(Dual a, Dual b) noexcept {
    return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
  }
  friend constexpr Dual operator/(Dual a, Dual b) noexcept {
    const double quotient = a.value / b.value;
    return {quotient, (a.tangent - quotient * b.tangent) / b.value};
  }

  friend constexpr bool operator==(Dual a, Dual b) noexcept {
    return a.value == b.value && a.tangent == b.tangent;
  }
  friend constexpr bool operator!=(Dual a, Dual b) noexcept { return !(a == b); }
  friend constexpr bool operator<(Dual a, Dual b) noexcept { return a.value < b.value; }
  friend constexpr bool operator>(Dual a, Dual b) noexcept { return a.value > b.value; }
  friend constexpr bool operator<=(Dual a, Dual b) noexcept { return a.value <= b.value; }
  friend constexpr bool operator>=(Dual a, Dual b) noexcept { return a.value >= b.value; }

  // Found by the types of their arguments, beside those of std.
  friend Dual exp(Dual a) noexcept {
    const double y = std::exp(a.value);
    return {y, y * a.tangent};
  }
  friend Dual expm1(Dual a) noexcept {
    return {std::expm1(a.value), std::exp(a.value) * a.tangent};
  }
  friend Dual sqrt(Dual a) noexcept {
    const double y = std::sqrt(a.value);
    return {y, a.tangent / (2 * y)};
  }
  friend Dual abs(Dual a) noexcept {
    const double sign = a.value > 0 ? 1 : a.value < 0 ? -1 : 0;
    return {std::abs(a.value), sign * a.tangent};
  }
  friend bool isnan(Dual a) noexcept { return std::isnan(a.value); }
};

/// What sums of values of type T are formed in: double, or dual numbers.
template <class T>
using Exact = std::conditional_t<std::is_floating_point_v<T>, double, T>;

}  // namespace peephole
