#include <algorithm>
#include <cmath>

#include "compute/head.hpp"
#include "compute/shares.hpp"
#include "reference/activations.hpp"
#include "reference/eigen.hpp"

namespace peephole {
namespace {

using reference::row_vector;

/// y = exp(a - max a) / Σ exp(a - max a)
template <class T>
void softmax(const T* logits, Index O, T* y) noexcept {
  using std::exp;
  T highest = logits[0];
  for (Index o = 1; o < O; ++o) highest = std::max(highest, logits[o]);
  T sum = 0;
  for (Index o = 0; o < O; ++o) sum += y[o] = exp(logits[o] - highest);
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

/// ds of one row.
template <class T>
void gradient_row(const HeadSpec& spec, const T* y, const T* dy, T* dlogits) noexcept {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::softmax) {
    // ds = y ⊙ (dy - y·dy)
    const auto p = row_vector(y, O);
    const T mean = p.dot(row_vector(dy, O));
    for (Index o = 0; o < O; ++o) dlogits[o] = p[o] * (dy[o] - mean);
    return;
  }
  const Activation f = elementwise(spec.activation);
  std::transform(y, y + O, dy, dlogits,
                 [f](T value, T upstream) { return upstream * reference::derivative(f, value); });
}

// What a value costs, in the operations that threads are counted by.
constexpr double kOperationsPerActivation = 40, kOperationsPerCopy = 4;

/// Calls compute(begin, end) for shares of n rows of O values, with threads.
template <class Compute>
void for_shares(double per_value, const HeadSpec& spec, Index n, const Compute& compute) {
  for_row_shares(per_value * static_cast<double>(n) * static_cast<double>(spec.output_size), n,
                 compute);
}

}  // namespace

template <class T>
void head_activate_row(const HeadSpec& spec, const T* logits, T* y) noexcept {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::softmax) return softmax(logits, O, y);
  const Activation f = elementwise(spec.activation);
  std::transform(logits, logits + O, y, [f](T s) { return reference::activate(f, s); });
}

template <class T>
void head_activate(const HeadSpec& spec, const T* logits, Index n, T* y) {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::identity) {
    if (y != logits) std::copy_n(logits, n * O, y);
    return;
  }
  for_shares(kOperationsPerActivation, spec, n, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) head_activate_row(spec, logits + r * O, y + r * O);
  });
}

template <class T>
void head_activation_gradient(const HeadSpec& spec, const T* y, const ReadRows<T>& dy, T* dlogits) {
  const Index O = spec.output_size;
  const bool copies = y == nullptr || spec.activation == HeadActivation::identity;
  const double per_value = copies ? kOperationsPerCopy : kOperationsPerActivation;
  for_shares(per_value, spec, dy.count(), [&](Index begin, Index end) {
    dy.visit(begin, end, [&](Index r, const T* row) {
      T* const target = dlogits + r * O;
      std::copy_n(row, O, target);
      if (!copies) gradient_row(spec, y + r * O, target, target);
    });
  });
}

#define PEEPHOLE_INSTANTIATE(T)                                            \
  template void head_activate_row(const HeadSpec&, const T*, T*) noexcept; \
  template void head_activate(const HeadSpec&, const T*, Index, T*);       \
  template void head_activation_gradient(const HeadSpec&, const T*, const ReadRows<T>&, T*);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
