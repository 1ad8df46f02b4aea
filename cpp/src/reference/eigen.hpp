#pragma once

#include <Eigen/Core>

#include "base/dual.hpp"
#include "layer/layer.hpp"

/// Dual numbers within Eigen's expressions.
template <>
struct Eigen::NumTraits<peephole::Dual> : Eigen::NumTraits<double> {
  using Real = peephole::Dual;
  using NonInteger = peephole::Dual;
  using Literal = peephole::Dual;
  using Nested = peephole::Dual;
};

/// Eigen's views of the core's arrays, all row-major.
namespace peephole::reference {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using RowVector = Eigen::Matrix<T, 1, Eigen::Dynamic>;
template <class T>
using MatrixMap = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstMatrixMap = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T>
MatrixMap<T> matrix(T* data, Index rows, Index columns) {
  return {data, rows, columns, Eigen::OuterStride<>(columns)};
}
template <class T>
ConstMatrixMap<T> matrix(const T* data, Index rows, Index columns) {
  return {data, rows, columns, Eigen::OuterStride<>(columns)};
}

/// Rows first .. first + count of `rows`.
template <class T>
MatrixMap<T> matrix(Rows<T> rows, Index first, Index count, Index columns) {
  return {rows.row(first), count, columns, Eigen::OuterStride<>(rows.stride)};
}
template <class T>
ConstMatrixMap<T> matrix(Rows<const T> rows, Index first, Index count, Index columns) {
  return {rows.row(first), count, columns, Eigen::OuterStride<>(rows.stride)};
}

/// The rows of step t.
template <class T>
MatrixMap<T> matrix(const StepRows<T>& rows, const Schedule& schedule, Index t, Index columns) {
  return matrix(Rows<T>{rows.data + rows.step(schedule, t), rows.stride}, 0, schedule.rows(t),
                columns);
}
template <class T>
ConstMatrixMap<T> matrix(const StepRows<const T>& rows, const Schedule& schedule, Index t,
                         Index columns) {
  return matrix(Rows<const T>{rows.data + rows.step(schedule, t), rows.stride}, 0, schedule.rows(t),
                columns);
}

template <class T>
Eigen::Map<RowVector<T>> row_vector(T* data, Index size) {
  return {data, size};
}
template <class T>
Eigen::Map<const RowVector<T>> row_vector(const T* data, Index size) {
  return {data, size};
}

/// Gate k's columns of a (rows, 4H) matrix.
template <class Map>
Map of_gate(Map gates, Gate gate) {
  const Index H = gates.cols() / kGates;
  return Map(gates.data() + index(gate) * H, gates.rows(), H,
             Eigen::OuterStride<>(gates.outerStride()));
}

}  // namespace peephole::reference
