#include "layer/layer.hpp"

#include <algorithm>

#include "base/dual.hpp"

namespace peephole {

template <class T>
void set_zero(const LayerSpec& spec, const LayerWeights<T>& weights) noexcept {
  LayerWeights<T> tensors = weights;
  for_each_tensor(spec, tensors, [](T* tensor, Index size) { std::fill_n(tensor, size, T{0}); });
}

template void set_zero(const LayerSpec&, const LayerWeights<float>&) noexcept;
template void set_zero(const LayerSpec&, const LayerWeights<double>&) noexcept;
template void set_zero(const LayerSpec&, const LayerWeights<Dual>&) noexcept;

}  // namespace peephole
