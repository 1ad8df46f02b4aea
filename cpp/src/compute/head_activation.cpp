#include <algorithm>
#include <cmath>

#include "compute/head.hpp"
#include "compute/shares.hpp"
#include "peephole/runtime.hpp"
#include "reference/activations.hpp"
#include "reference/eigen.hpp"

namespace peephole {
namespace {

using reference::row_vector;

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

/// Calls compute(row) for n rows of O values, with threads.
template <class Compute>
void for_rows(const HeadSpec& spec, Index n, const Compute& compute) {
  // What a value costs, in the operations that threads are counted by.
  constexpr double kOperationsPerValue = 40;
  constexpr Index kMostRows = 96;
  const double operations =
      kOperationsPerValue * static_cast<double>(n) * static_cast<double>(spec.output_size);
  const Index members = useful_members(operations, num_threads());
  const RowShares shares(n, kMostRows, members);
  Team team(static_cast<int>(members));
  compute_shares(team, shares.count(), [&](Index nth) {
    for (Index r = shares.begin(nth); r < shares.end(nth); ++r) compute(r);
  });
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
  for_rows(spec, n, [&](Index r) { head_activate_row(spec, logits + r * O, y + r * O); });
}

template <class T>
void head_activation_gradient(const HeadSpec& spec, const T* y, const T* dy, Index n, T* dlogits) {
  const Index O = spec.output_size;
  if (spec.activation == HeadActivation::identity) {
    if (dlogits != dy) std::copy_n(dy, n * O, dlogits);
    return;
  }
  for_rows(spec, n, [&](Index r) { gradient_row(spec, y + r * O, dy + r * O, dlogits + r * O); });
}

#define PEEPHOLE_INSTANTIATE(T)                                            \
  template void head_activate_row(const HeadSpec&, const T*, T*) noexcept; \
  template void head_activate(const HeadSpec&, const T*, Index, T*);       \
  template void head_activation_gradient(const HeadSpec&, const T*, const T*, Index, T*);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
