#pragma once

#include "reference/eigen.hpp"

/// Layer normalisation (J. L. Ba, J. R. Kiros, G. E. Hinton, 2016, arXiv:1607.06450) of the rows of
/// a matrix:
///
///     LN(z) = (z - mean z) / sqrt(var z + epsilon)          a = γ ⊙ LN(z) + β
///
/// Sums are formed value by value and in double precision, so that a row has the same bits in any
/// batch.
namespace peephole::reference {

/// z (n, size), replaced by LN(z). scales: 1 / sqrt(var z + epsilon) of each row, `stride` apart.
template <class T>
void normalise(double epsilon, MatrixMap<T> z, Rows<T> scales);

/// d (n, size): the gradient of LN(z), replaced by that of z:
///     dz = (d - mean d - LN(z) mean(d ⊙ LN(z))) / sqrt(var z + epsilon)
template <class T>
void normalise_gradient(ConstMatrixMap<T> normalised, Rows<const T> scales, MatrixMap<T> d);

/// What a step's rows keep for backward: NormTape's rows from a packed row on, or scratch.
template <class T>
struct NormRows {
  T* normalised;  // (n, width)
  T* scales;      // (n, groups)
  Index width, groups;

  NormRows(const LayerSpec& spec, NormTape<T> tape, Index row)
      : normalised(tape.normalised + row * spec.normalised_size()),
        scales(tape.scales + row * spec.normalised_groups()),
        width(spec.normalised_size()),
        groups(spec.normalised_groups()) {}

  /// (n, width / groups): the values that were normalised together.
  auto group(Index nth, Index n) const {
    const Index size = width / groups;
    return matrix(Rows<T>{normalised + nth * size, width}, 0, n, size);
  }
  Rows<T> scales_of(Index nth) const { return {scales + nth, groups}; }
};

/// c (n, H), replaced by γ_c ⊙ LN(c) + β_c. normalised (n, H) = LN(c), scales (n,).
template <class T>
void normalise_state(const LayerSpec& spec, const LayerWeights<const T>& weights, MatrixMap<T> c,
                     MatrixMap<T> normalised, T* scales) {
  normalised = c;
  normalise(spec.layer_norm_epsilon, normalised, Rows<T>{scales, 1});
  const Index H = spec.hidden_size;
  c.array() = normalised.array().rowwise() * row_vector(weights.gain_c, H).array();
  c.rowwise() += row_vector(weights.shift_c, H);
}

/// d (n, H): the gradient of what normalise_state() returned, replaced by that of c. Adds to those
/// of γ_c and β_c.
template <class T>
void normalise_state_gradient(const LayerSpec& spec, const LayerWeights<const T>& weights,
                              const LayerWeights<T>& dweights, ConstMatrixMap<T> normalised,
                              const T* scales, MatrixMap<T> d) {
  const Index H = spec.hidden_size;
  row_vector(dweights.gain_c, H).array() += (d.array() * normalised.array()).colwise().sum();
  row_vector(dweights.shift_c, H) += d.colwise().sum();
  d.array().rowwise() *= row_vector(weights.gain_c, H).array();
  normalise_gradient(normalised, Rows<const T>{scales, 1}, d);
}

}  // namespace peephole::reference
