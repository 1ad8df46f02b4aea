#include "compute/head.hpp"

#include <algorithm>
#include <cmath>

#include "reference/activations.hpp"
#include "reference/eigen.hpp"
#include "reference/products.hpp"

namespace peephole {
namespace {

using reference::matrix;
using reference::Product;
using reference::row_vector;

/// How many partial sums a dot product keeps: a whole cache line's worth of SSE accumulators.
constexpr Index kPartialSums = 16;

/// bias + a · b, always summed in the same order. Eigen's products would give a row other bits in
/// other batches.
template <class T>
T dot(T bias, const T* a, const T* b, Index size) noexcept {
  T partial[kPartialSums] = {};
  Index i = 0;
  for (; i + kPartialSums <= size; i += kPartialSums) {
    for (Index j = 0; j < kPartialSums; ++j) partial[j] += a[i + j] * b[i + j];
  }
  for (Index j = 0; i + j < size; ++j) partial[j] += a[i + j] * b[i + j];
  for (Index width = kPartialSums / 2; width > 0; width /= 2) {
    for (Index j = 0; j < width; ++j) partial[j] += partial[j + width];
  }
  return bias + partial[0];
}

/// y = exp(a - max a) / Σ exp(a - max a)
template <class T>
void softmax(const T* logits, Index O, T* y) noexcept {
  T highest = logits[0];
  for (Index o = 1; o < O; ++o) highest = std::max(highest, logits[o]);
  T sum = 0;
  for (Index o = 0; o < O; ++o) sum += y[o] = std::exp(logits[o] - highest);
  for (Index o = 0; o < O; ++o) y[o] /= sum;
}

/// The head's elementwise activations, among those of the layers.
Activation elementwise(HeadActivation activation) noexcept {
  switch (activation) {
    case HeadActivation::sigmoid: return Activation::sigmoid;
    case HeadActivation::tanh: return Activation::tanh;
    case HeadActivation::identity:
    case HeadActivation::softmax: break;
  }
  return Activation::identity;
}

}  // namespace

template <class T>
void head_logits(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h, Index n,
                 T* logits) noexcept {
  const Index F = spec.input_size, O = spec.output_size;
  for (Index r = 0; r < n; ++r) {
    for (Index o = 0; o < O; ++o) {
      logits[r * O + o] = dot(weights.bias[o], weights.weight + o * F, h.row(r), F);
    }
  }
}

template <class T>
void head_activate(const HeadSpec& spec, const T* logits, Index n, T* y) noexcept {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::softmax) {
    for (Index r = 0; r < n; ++r) softmax(logits + r * O, O, y + r * O);
    return;
  }
  const Activation f = elementwise(spec.activation);
  std::transform(logits, logits + n * O, y, [f](T s) { return reference::activate(f, s); });
}

template <class T>
void head_activation_gradient(const HeadSpec& spec, const T* y, const T* dy, Index n,
                              T* dlogits) noexcept {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::softmax) {
    // ds = y ⊙ (dy - y·dy)
    for (Index r = 0; r < n; ++r) {
      const auto p = row_vector(y + r * O, O);
      const T mean = p.dot(row_vector(dy + r * O, O));
      for (Index o = 0; o < O; ++o) dlogits[r * O + o] = p[o] * (dy[r * O + o] - mean);
    }
    return;
  }
  const Activation f = elementwise(spec.activation);
  std::transform(y, y + n * O, dy, dlogits,
                 [f](T value, T upstream) { return upstream * reference::derivative(f, value); });
}

template <class T>
void head_gradients(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h,
                    const T* dlogits, Index n, Rows<T> dh, HeadWeights<T> dweights) noexcept {
  const Index F = spec.input_size, O = spec.output_size;
  const auto ds = matrix(dlogits, n, O);
  reference::multiply(Product::set, ds, matrix(weights.weight, O, F), matrix(dh, 0, n, F));
  reference::multiply_transposed(Product::set, ds, matrix(h, 0, n, F),
                                 matrix(dweights.weight, O, F));
  row_vector(dweights.bias, O) = ds.colwise().sum();
}

#define PEEPHOLE_INSTANTIATE(T)                                                                    \
  template void head_logits(const HeadSpec&, HeadWeights<const T>, Rows<const T>, Index,           \
                            T*) noexcept;                                                          \
  template void head_activate(const HeadSpec&, const T*, Index, T*) noexcept;                      \
  template void head_activation_gradient(const HeadSpec&, const T*, const T*, Index, T*) noexcept; \
  template void head_gradients(const HeadSpec&, HeadWeights<const T>, Rows<const T>, const T*,     \
                               Index, Rows<T>, HeadWeights<T>) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
