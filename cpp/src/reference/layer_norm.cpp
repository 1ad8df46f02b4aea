#include "reference/layer_norm.hpp"

#include <cmath>

namespace peephole::reference {

template <class T>
void normalise(double epsilon, MatrixMap<T> z, Rows<T> scales) {
  const Index size = z.cols();
  const double count = static_cast<double>(size);
  for (Index r = 0; r < z.rows(); ++r) {
    double sum = 0, squares = 0;
    for (Index j = 0; j < size; ++j) sum += static_cast<double>(z(r, j));
    const double mean = sum / count;
    for (Index j = 0; j < size; ++j) {
      const double deviation = static_cast<double>(z(r, j)) - mean;
      squares += deviation * deviation;
    }
    const double scale = 1 / std::sqrt(squares / count + epsilon);
    for (Index j = 0; j < size; ++j) {
      z(r, j) = static_cast<T>((static_cast<double>(z(r, j)) - mean) * scale);
    }
    *scales.row(r) = static_cast<T>(scale);
  }
}

template <class T>
void normalise_gradient(ConstMatrixMap<T> normalised, Rows<const T> scales, MatrixMap<T> d) {
  const Index size = d.cols();
  const double count = static_cast<double>(size);
  for (Index r = 0; r < d.rows(); ++r) {
    double sum = 0, along = 0;
    for (Index j = 0; j < size; ++j) {
      sum += static_cast<double>(d(r, j));
      along += static_cast<double>(d(r, j)) * static_cast<double>(normalised(r, j));
    }
    const T mean = static_cast<T>(sum / count), share = static_cast<T>(along / count);
    for (Index j = 0; j < size; ++j) {
      d(r, j) = (d(r, j) - mean - normalised(r, j) * share) * *scales.row(r);
    }
  }
}

#define PEEPHOLE_INSTANTIATE(T)                           \
  template void normalise(double, MatrixMap<T>, Rows<T>); \
  template void normalise_gradient(ConstMatrixMap<T>, Rows<const T>, MatrixMap<T>)
PEEPHOLE_INSTANTIATE(float);
PEEPHOLE_INSTANTIATE(double);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::reference
