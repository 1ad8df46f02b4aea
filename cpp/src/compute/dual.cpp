#include "base/dual.hpp"

#include "compute/head_reference.hpp"
#include "compute/layer_packs.hpp"
#include "compute/run.hpp"
#include "compute/segments.hpp"
#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"
#include "runtime/interruption.hpp"

/// Passes over dual numbers: always by the reference path, on this thread.
namespace peephole {

template <>
void run(const std::vector<ForwardDirection<Dual>>& directions, ForwardScratch<Dual>& scratch) {
  const FlushDenormals flush;
  Interruption interruption;
  interruption.check();
  for (const ForwardDirection<Dual>& direction : directions) {
    reference::forward(direction.layer, direction.noise, scratch.reference);
  }
  interruption.check();
}

template <>
void run(const std::vector<BackwardDirection<Dual>>& directions, BackwardScratch<Dual>& scratch) {
  const FlushDenormals flush;
  Interruption interruption;
  interruption.check();
  for (const BackwardDirection<Dual>& direction : directions) {
    reference::backward(direction.layer, direction.noise, scratch.reference);
  }
  interruption.check();
}

template <>
std::shared_ptr<const kernels::PackedForward<Dual>> LayerPacks<Dual>::forward(
    const Backend&, const LayerSpec&, const LayerWeights<const Dual>&, std::uint64_t) {
  return nullptr;
}

template <>
std::shared_ptr<const kernels::PackedBackward<Dual>> LayerPacks<Dual>::backward(
    const Backend&, const LayerSpec&, const LayerWeights<const Dual>&, std::uint64_t,
    const Schedule&) {
  return nullptr;
}

/// All steps at once: there are no chunks to end with.
template <>
void cut<Dual>(const Schedule& schedule, Direction, Index, std::vector<Segment>& segments) {
  segments.assign(1, {0, schedule.steps()});
}

template <>
Head<Dual> HeadPacks<Dual>::forward(const HeadSpec& spec, HeadWeights<const Dual> weights,
                                    const Backend& backend, std::uint64_t) {
  return {spec, weights, backend, nullptr};
}

template <>
Head<Dual> HeadPacks<Dual>::backward(const HeadSpec& spec, HeadWeights<const Dual> weights,
                                     const Backend& backend, std::uint64_t) {
  return {spec, weights, backend, nullptr};
}

template <>
void head_logits(const Head<Dual>& head, Rows<const Dual> h, Index n, Rows<Dual> logits) {
  reference_logits(head.spec, head.weights, h, n, logits);
}

template <>
void head_gradients(const Head<Dual>& head, Rows<const Dual> h, const Dual* dlogits, Index n,
                    Rows<Dual> dh, HeadWeights<Dual> dweights) {
  reference_gradients(head.spec, head.weights, h, dlogits, n, dh, dweights);
}

template <>
void head_gradients(const Head<Dual>& head, Rows<const Dual> h,
                    const SequenceView<const Dual>& dlogits, Rows<Dual> dh,
                    HeadWeights<Dual> dweights) {
  reference_gradients(head.spec, head.weights, h, dlogits, dh, dweights);
}

}  // namespace peephole
