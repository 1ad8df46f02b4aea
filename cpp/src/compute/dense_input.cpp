#include "compute/dense_input.hpp"

#include <type_traits>

#include "compute/shares.hpp"
#include "kernels/host/table.hpp"
#include "reference/activations.hpp"

namespace peephole {
namespace {

/// values (n,) = f(values)
template <class T>
void activate(const Backend& backend, Activation f, T* values, Index n) noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    if (!backend.is_reference()) {
      return kernels::head_kernels_of<T>(backend.isa).activate(f, values, n);
    }
  }
  for (Index i = 0; i < n; ++i) values[i] = reference::activate(f, values[i]);
}

/// gradient (n,) *= f'(z), from u (n,) = f(z).
template <class T>
void multiply_by_derivative(const Backend& backend, Activation f, const T* u, T* gradient,
                            Index n) noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    if (!backend.is_reference()) {
      const auto& kernels = kernels::head_gradient_kernels_of<T>(backend.isa);
      return kernels.multiply_by_derivative(f, u, gradient, n);
    }
  }
  for (Index i = 0; i < n; ++i) gradient[i] *= reference::derivative(f, u[i]);
}

// What a value costs, in the operations that threads are counted by.
constexpr double kOperationsPerValue = 40;

/// Calls compute(begin, end) for shares of the n D values, with threads.
template <class Compute>
void for_value_shares(const DenseInputSpec& spec, Index n, const Compute& compute) {
  const Index D = spec.product.output_size;
  const double operations = kOperationsPerValue * static_cast<double>(n) * static_cast<double>(D);
  for_row_shares(operations, n, [&](Index begin, Index end) { compute(begin * D, end * D); });
}

}  // namespace

template <class T>
void dense_input_forward(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                         Index n, T* u) {
  head_logits(product, x, n, Rows<T>{u, spec.product.output_size});
  if (spec.activation == Activation::identity) return;
  for_value_shares(spec, n, [&](Index begin, Index end) {
    activate(product.backend, spec.activation, u + begin, end - begin);
  });
}

template <class T>
void dense_input_forward_alone(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                               Index n, T* u) noexcept {
  const Index D = spec.product.output_size;
  head_logits_alone(product, x, n, Rows<T>{u, D});
  if (spec.activation == Activation::identity) return;
  activate(product.backend, spec.activation, u, n * D);
}

template <class T>
void dense_input_backward(const DenseInputSpec& spec, const Head<T>& product, Rows<const T> x,
                          const T* u, T* du, Index n, Rows<T> dx, HeadWeights<T> dweights) {
  if (spec.activation != Activation::identity) {
    // dz = du ⊙ f'(z)
    for_value_shares(spec, n, [&](Index begin, Index end) {
      multiply_by_derivative(product.backend, spec.activation, u + begin, du + begin, end - begin);
    });
  }
  head_gradients(product, x, static_cast<const T*>(du), n, dx, dweights);
}

template void dense_input_forward_alone(const DenseInputSpec&, const Head<float>&,
                                        Rows<const float>, Index, float*) noexcept;
template void dense_input_forward_alone(const DenseInputSpec&, const Head<double>&,
                                        Rows<const double>, Index, double*) noexcept;
#define PEEPHOLE_INSTANTIATE(T)                                                                  \
  template void dense_input_forward(const DenseInputSpec&, const Head<T>&, Rows<const T>, Index, \
                                    T*);                                                         \
  template void dense_input_backward(const DenseInputSpec&, const Head<T>&, Rows<const T>,       \
                                     const T*, T*, Index, Rows<T>, HeadWeights<T>);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
