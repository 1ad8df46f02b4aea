#pragma once

#include "layer/layer.hpp"

/// The dense head over rows: y = f(V h + v). All memory is the caller's.
namespace peephole {

/// weight (O, F), bias (O,): the parameters, or their gradients.
template <class T>
struct HeadWeights {
  T* weight;
  T* bias;
};

struct HeadSpec {
  Index input_size;   // F
  Index output_size;  // O
  HeadActivation activation;
};

/// logits (n, O) = V h + v, overwritten, from h (n, F). A row's bits depend on nothing but the row.
template <class T>
void head_logits(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h, Index n,
                 T* logits) noexcept;

/// y (n, O) = f(logits), overwritten; y may be logits.
template <class T>
void head_activate(const HeadSpec& spec, const T* logits, Index n, T* y) noexcept;

/// dlogits (n, O), overwritten, from dy and y; may be dy.
template <class T>
void head_activation_gradient(const HeadSpec& spec, const T* y, const T* dy, Index n,
                              T* dlogits) noexcept;

/// dh (n, F) and dweights, all overwritten, from dlogits (n, O).
template <class T>
void head_gradients(const HeadSpec& spec, HeadWeights<const T> weights, Rows<const T> h,
                    const T* dlogits, Index n, Rows<T> dh, HeadWeights<T> dweights) noexcept;

}  // namespace peephole
