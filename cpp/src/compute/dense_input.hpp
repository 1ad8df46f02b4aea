#pragma once

#include "compute/head.hpp"
#include "peephole/activation.hpp"

/// The dense layer before the stack over rows: u = f(W x + b), of D values from I. The product is
/// that of a head. All memory is the caller's. A row's bits depend on nothing but the row, the
/// instruction set and the layer's sizes.
namespace peephole {

struct DenseInputSpec {
  HeadSpec product;  // from I to D, without an activation
  Activation activation;
};

/// u (n, D), overwritten, from x (n, I); with threads. product: of spec.product, as are the others.
template <class T>
void dense_input_forward(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                         Index n, T* u);
/// The same on this thread alone.
template <class T>
void dense_input_forward_alone(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                               Index n, T* u) noexcept;

/// dx (n, I) and dweights, overwritten, from du (n, D), which becomes the gradient of W x + b; with
/// threads. dx.data may be null: then the gradient of x is not computed.
template <class T>
void dense_input_backward(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                          const T* u, T* du, Index n, Rows<T> dx, HeadWeights<T> dweights);

}  // namespace peephole
