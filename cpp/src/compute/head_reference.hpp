#pragma once

#include <algorithm>

#include "base/buffer.hpp"
#include "compute/head.hpp"
#include "reference/eigen.hpp"
#include "reference/products.hpp"

/// The dense head by the reference path; see head.hpp.
namespace peephole {

template <class T>
void reference_logits(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h, Index n,
                      Rows<T> logits) noexcept {
  const Index F = spec.input_size, O = spec.output_size;
  auto s = reference::matrix(logits, 0, n, O);
  reference::multiply_by_transposed(reference::Product::set, reference::matrix(h, 0, n, F),
                                    reference::matrix(weights.weight, O, F), s);
  s.rowwise() += reference::row_vector(weights.bias, O);
}

template <class T>
void reference_gradients(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h,
                         const T* dlogits, Index n, Rows<T> dh, HeadWeights<T> dweights) {
  const Index F = spec.input_size, O = spec.output_size;
  const auto ds = reference::matrix(dlogits, n, O);
  if (dh.data != nullptr) {
    reference::multiply(reference::Product::set, ds, reference::matrix(weights.weight, O, F),
                        reference::matrix(dh, 0, n, F));
  }
  reference::multiply_transposed(reference::Product::set, ds, reference::matrix(h, 0, n, F),
                                 reference::matrix(dweights.weight, O, F));
  reference::row_vector(dweights.bias, O) = ds.colwise().sum();
}

template <class T>
void reference_gradients(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h,
                         const SequenceView<const T>& dlogits, Rows<T> dh,
                         HeadWeights<T> dweights) {
  const Index B = dlogits.batch, time = dlogits.time;
  Buffer<T> memory;
  T* const rows = memory.reserve(B * time * dlogits.features);
  T* row = rows;
  for (Index t = 0; t < time; ++t) {
    for (Index b = 0; b < B; ++b) row = std::copy_n(dlogits.at(b, t), dlogits.features, row);
  }
  reference_gradients(spec, weights, h, rows, B * time, dh, dweights);
}

}  // namespace peephole
