#pragma once

#include <vector>

#include "model/random.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// A random orthogonal matrix, uniform over all of them (Haar measure), as a product of random
/// reflections (Stewart 1980, doi:10.1137/0717034): half the work of the QR decomposition of a
/// normal matrix. The same draws give the same bits on every platform.
class RandomOrthogonal {
 public:
  /// Draws size * (size + 1) / 2 normal numbers.
  RandomOrthogonal(Random& random, Index size);

  /// Columns that are computed together.
  static constexpr Index kColumns = 8;
  Index strips() const noexcept { return (size_ + kColumns - 1) / kColumns; }

  /// The nth strip of columns, (size, kColumns), whose last columns may be beyond the matrix.
  /// Strips may be computed at the same time.
  void compute(Index nth, double* strip) const noexcept;

 private:
  const double* reflection(Index k) const noexcept { return vectors_.data() + k * size_ + k; }

  Index size_;
  std::vector<double> vectors_;  // (size, size): v_k, which is 0 before its k-th element
  std::vector<double> factors_;  // 2 / (v_k · v_k)
  std::vector<double> signs_;    // of each column
};

}  // namespace peephole
