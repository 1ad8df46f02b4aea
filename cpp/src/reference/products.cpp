#include "reference/products.hpp"

namespace peephole::reference {

template <class T>
void multiply(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b, MatrixMap<T> ab) {
  if (product == Product::set) {
    ab.noalias() = a * b;
  } else {
    ab.noalias() += a * b;
  }
}

template <class T>
void multiply_by_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                            MatrixMap<T> ab) {
  if (product == Product::set) {
    ab.noalias() = a * b.transpose();
  } else {
    ab.noalias() += a * b.transpose();
  }
}

template <class T>
void multiply_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                         MatrixMap<T> ab) {
  if (product == Product::set) {
    ab.noalias() = a.transpose() * b;
  } else {
    ab.noalias() += a.transpose() * b;
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                        \
  template void multiply(Product, ConstMatrixMap<T>, ConstMatrixMap<T>, MatrixMap<T>); \
  template void multiply_by_transposed(Product, ConstMatrixMap<T>, ConstMatrixMap<T>,  \
                                       MatrixMap<T>);                                  \
  template void multiply_transposed(Product, ConstMatrixMap<T>, ConstMatrixMap<T>, MatrixMap<T>)
PEEPHOLE_INSTANTIATE(float);
PEEPHOLE_INSTANTIATE(double);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::reference
