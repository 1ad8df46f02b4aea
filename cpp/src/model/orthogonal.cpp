#include "model/orthogonal.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

namespace peephole {

RandomOrthogonal::RandomOrthogonal(Random& random, Index size)
    : size_(size),
      vectors_(static_cast<std::size_t>(size * size)),
      factors_(static_cast<std::size_t>(size)),
      signs_(static_cast<std::size_t>(size)) {
  for (Index k = 0; k < size; ++k) {
    // The reflection that takes a normal vector x to -sign(x_0) |x| e_0.
    double* const v = vectors_.data() + k * size + k;
    const Index length = size - k;
    double squares = 0;
    for (Index i = 0; i < length; ++i) {
      v[i] = random.normal();
      squares += v[i] * v[i];
    }
    const double sign = v[0] < 0 ? -1 : 1;
    const double norm = std::sqrt(squares);
    // A vector of one element needs no reflection.
    factors_[static_cast<std::size_t>(k)] = length > 1 ? 1 / (norm * (norm + std::abs(v[0]))) : 0;
    signs_[static_cast<std::size_t>(k)] = length > 1 ? -sign : sign;
    v[0] += sign * norm;
  }
}

void RandomOrthogonal::compute(Index nth, double* strip) const noexcept {
  const Index first = nth * kColumns, last = std::min(first + kColumns, size_);
  std::fill_n(strip, size_ * kColumns, 0.0);
  for (Index j = first; j < last; ++j) {
    strip[j * kColumns + j - first] = signs_[static_cast<std::size_t>(j)];
  }
  // Q = H_0 H_1 ... : later reflections leave these columns of the identity as they are.
  for (Index k = last - 1; k >= 0; --k) {
    const double* const v = reflection(k);
    double* const rows = strip + k * kColumns;
    using Row = Eigen::Array<double, kColumns, 1>;
    const auto row = [&](Index i) { return Eigen::Map<Row>(rows + i * kColumns); };
    Row dot = Row::Zero();
    for (Index i = 0; i < size_ - k; ++i) dot += v[i] * row(i);
    dot *= factors_[static_cast<std::size_t>(k)];
    for (Index i = 0; i < size_ - k; ++i) row(i) -= v[i] * dot;
  }
}

}  // namespace peephole
