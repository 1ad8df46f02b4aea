#include "compute/layer_packs.hpp"

namespace peephole {

template <class T>
std::shared_ptr<const kernels::PackedForward<T>> LayerPacks<T>::forward(
    const Backend& backend, const LayerSpec& spec, const LayerWeights<const T>& weights,
    std::uint64_t revision) {
  if (backend.is_reference()) return nullptr;
  return forward_.get(revision, backend.isa,
                      [&](auto& packed) { packed.pack(spec, weights, backend.isa); });
}

template <class T>
std::shared_ptr<const kernels::PackedBackward<T>> LayerPacks<T>::backward(
    const Backend& backend, const LayerSpec& spec, const LayerWeights<const T>& weights,
    std::uint64_t revision, const Schedule& schedule) {
  if (backend.is_reference()) return nullptr;
  // The kernels of layer normalisation read packed weights alone.
  if (!kernels::worth_packing(schedule) && !spec.layer_norm) {
    auto referring = std::make_shared<kernels::PackedBackward<T>>();
    referring->refer(spec, weights, backend.isa);
    return referring;
  }
  return backward_.get(revision, backend.isa,
                       [&](auto& packed) { packed.pack(spec, weights, backend.isa); });
}

template class LayerPacks<float>;
template class LayerPacks<double>;

}  // namespace peephole
