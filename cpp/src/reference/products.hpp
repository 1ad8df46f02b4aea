#pragma once

#include "reference/eigen.hpp"

/// The matrix products of the equations: each form has one function for each type of values,
/// compiled in products.cpp.
namespace peephole::reference {

/// Any block of a row-major matrix, read by or written by a product.
template <class M>
ConstMatrixMap<typename M::Scalar> operand(const M& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}
template <class M>
MatrixMap<typename std::decay_t<M>::Scalar> result(M&& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}

/// What a product does to its result, which must not overlap the operands.
enum class Product { set, add };

/// ab  (m, n), from a (m, k) and b (k, n).
template <class T>
void multiply(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b, MatrixMap<T> ab);
/// abᵀ (m, n), from a (m, k) and b (n, k).
template <class T>
void multiply_by_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                            MatrixMap<T> ab);
/// aᵀb (m, n), from a (k, m) and b (k, n).
template <class T>
void multiply_transposed(Product product, ConstMatrixMap<T> a, ConstMatrixMap<T> b,
                         MatrixMap<T> ab);

}  // namespace peephole::reference
