#include "layer/layer.hpp"

#include <algorithm>

namespace peephole {

template <class T>
void set_zero(const LayerSpec& spec, const LayerWeights<T>& weights) noexcept {
  const Index I = spec.input_size, H = spec.hidden_size;
  std::fill_n(weights.weight_ih, kGates * H * I, T{0});
  std::fill_n(weights.weight_hh, kGates * H * spec.recurrent_size(), T{0});
  if (spec.peephole == Peephole::diagonal) std::fill_n(weights.weight_ch, kGates * H, T{0});
  if (spec.peephole == Peephole::dense) std::fill_n(weights.weight_ch, kGates * H * H, T{0});
  if (weights.bias != nullptr) std::fill_n(weights.bias, kGates * H, T{0});
  if (spec.projection_size) std::fill_n(weights.weight_hr, *spec.projection_size * H, T{0});
}

template void set_zero(const LayerSpec&, const LayerWeights<float>&) noexcept;
template void set_zero(const LayerSpec&, const LayerWeights<double>&) noexcept;

}  // namespace peephole
