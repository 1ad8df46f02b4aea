#pragma once

#include <cstdint>
#include <memory>

#include "base/dual.hpp"
#include "compute/backend.hpp"
#include "compute/layer_packs.hpp"
#include "compute/readout.hpp"
#include "kernels/host/packed_head.hpp"
#include "layer/layer.hpp"

/// The dense head over rows: y = f(V h + v). All memory is the caller's. A row's bits depend on
/// nothing but the row, the instruction set and the head's sizes.
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

/// A head, who computes it, and its weights as that backend reads them.
template <class T>
struct Head {
  HeadSpec spec;
  HeadWeights<const T> weights;
  Backend backend;
  std::shared_ptr<const kernels::PackedHead<T>> packed;  // for the kernels that read it
};

/// The packed weights of a head, kept until a parameter changes.
template <class T>
class HeadPacks {
 public:
  /// For head_logits.
  Head<T> forward(const HeadSpec& spec, HeadWeights<const T> weights, const Backend& backend,
                  std::uint64_t revision);
  /// For head_gradients.
  Head<T> backward(const HeadSpec& spec, HeadWeights<const T> weights, const Backend& backend,
                   std::uint64_t revision);

  /// Forgets what is packed; calls that use it keep it.
  void clear() noexcept {
    forward_.clear();
    backward_.clear();
  }

 private:
  PackCache<kernels::PackedHead<T>> forward_, backward_;
};

/// logits (n, O) = V h + v, overwritten, from h (n, F); with threads.
template <class T>
void head_logits(const Head<T>& head, Rows<const T> h, Index n, Rows<T> logits);
/// The same of all steps of a batch of sequences of one length, straight into a caller's array: y
/// (B, T, O), from packed rows h (T * B, F).
template <class T>
void head_logits(const Head<T>& head, Rows<const T> h, const SequenceView<T>& y);
/// The same on this thread alone.
template <class T>
void head_logits_alone(const Head<T>& head, Rows<const T> h, Index n, Rows<T> logits) noexcept;

/// y (n, O) = f(logits), overwritten; y may be logits. With threads.
template <class T>
void head_activate(const HeadSpec& spec, const T* logits, Index n, T* y);
/// The same of one row, on this thread.
template <class T>
void head_activate_row(const HeadSpec& spec, const T* logits, T* y) noexcept;

/// dlogits (n, O), overwritten, from y (n, O), and dy in the caller's array; with threads. Without
/// y, the caller's array has the dlogits, and its rows are copied.
template <class T>
void head_activation_gradient(const HeadSpec& spec, const T* y, const ReadRows<T>& dy, T* dlogits);

/// dh (n, F) and dweights, all overwritten, from dlogits (n, O); with threads. dh.data may be null:
/// then only the weights' gradients are computed, and the head needs no packed weights.
template <class T>
void head_gradients(const Head<T>& head, Rows<const T> h, const T* dlogits, Index n, Rows<T> dh,
                    HeadWeights<T> dweights);
/// The same of all steps of a batch of sequences of one length, straight from a caller's array:
/// dlogits (B, T, O), for packed rows h (T * B, F).
template <class T>
void head_gradients(const Head<T>& head, Rows<const T> h, const SequenceView<const T>& dlogits,
                    Rows<T> dh, HeadWeights<T> dweights);

template <>
Head<Dual> HeadPacks<Dual>::forward(const HeadSpec&, HeadWeights<const Dual>, const Backend&,
                                    std::uint64_t);
template <>
Head<Dual> HeadPacks<Dual>::backward(const HeadSpec&, HeadWeights<const Dual>, const Backend&,
                                     std::uint64_t);
template <>
void head_logits(const Head<Dual>&, Rows<const Dual> h, Index n, Rows<Dual> logits);
template <>
void head_gradients(const Head<Dual>&, Rows<const Dual> h, const Dual* dlogits, Index n,
                    Rows<Dual> dh, HeadWeights<Dual> dweights);
template <>
void head_gradients(const Head<Dual>&, Rows<const Dual> h, const SequenceView<const Dual>& dlogits,
                    Rows<Dual> dh, HeadWeights<Dual> dweights);

extern template class HeadPacks<float>;
extern template class HeadPacks<double>;

}  // namespace peephole
