#include "reference/layer_norm.hpp"

#include <cmath>
#include <type_traits>

#include "base/dual.hpp"

namespace peephole::reference {
namespace {

/// The type in which values of a row are added: double, for dual numbers their own type.
template <class T>
using Wide = std::common_type_t<T, double>;

}  // namespace

template <class T>
void normalise(double epsilon, MatrixMap<T> z, Rows<T> scales) {
  const Index size = z.cols();
  const double count = static_cast<double>(size);
  using std::sqrt;
  for (Index r = 0; r < z.rows(); ++r) {
    Wide<T> sum = 0, squares = 0;
    for (Index j = 0; j < size; ++j) sum += static_cast<Wide<T>>(z(r, j));
    const Wide<T> mean = sum / count;
    for (Index j = 0; j < size; ++j) {
      const Wide<T> deviation = static_cast<Wide<T>>(z(r, j)) - mean;
      squares += deviation * deviation;
    }
    const Wide<T> scale = 1.0 / sqrt(squares / count + epsilon);
    for (Index j = 0; j < size; ++j) {
      z(r, j) = static_cast<T>((static_cast<Wide<T>>(z(r, j)) - mean) * scale);
    }
    *scales.row(r) = static_cast<T>(scale);
  }
}

template <class T>
void normalise_gradient(ConstMatrixMap<T> normalised, Rows<const T> scales, MatrixMap<T> d) {
  const Index size = d.cols();
  const double count = static_cast<double>(size);
  for (Index r = 0; r < d.rows(); ++r) {
    Wide<T> sum = 0, along = 0;
    for (Index j = 0; j < size; ++j) {
      sum += static_cast<Wide<T>>(d(r, j));
      along += static_cast<Wide<T>>(d(r, j)) * static_cast<Wide<T>>(normalised(r, j));
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
PEEPHOLE_INSTANTIATE(Dual);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::reference
