#include "reference/products.hpp"

namespace peephole::reference {

// Row by row and in one order: a row has the same bits in any batch, which Eigen's own matrix
// products do not promise. They also take the compiler long.

template <class T>
void multiply(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b, MatrixMap<T> ab) {
  if (product == Product::set) ab.setZero();
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index k = 0; k < a.cols(); ++k) ab.row(i) += a(i, k) * b.row(k);
  }
}

template <class T>
void multiply_by_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                            MatrixMap<T> ab) {
  if (product == Product::set) ab.setZero();
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < b.rows(); ++j) ab(i, j) += a.row(i).dot(b.row(j));
  }
}

template <class T>
void multiply_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                         MatrixMap<T> ab) {
  if (product == Product::set) ab.setZero();
  for (Index k = 0; k < a.rows(); ++k) {
    for (Index i = 0; i < a.cols(); ++i) ab.row(i) += a(k, i) * b.row(k);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                        \
  template void multiply(Product, ConstMatrixMap<T>, ConstMatrixMap<T>, MatrixMap<T>); \
  template void multiply_by_transposed(Product, ConstMatrixMap<T>, ConstMatrixMap<T>,  \
                                       MatrixMap<T>);                                  \
  template void multiply_transposed(Product, ConstMatrixMap<T>, ConstMatrixMap<T>, MatrixMap<T>)
PEEPHOLE_INSTANTIATE(float);
PEEPHOLE_INSTANTIATE(double);
PEEPHOLE_INSTANTIATE(Dual);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::reference
