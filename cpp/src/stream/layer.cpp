#include "stream/layer.hpp"

#include <algorithm>

namespace peephole {

template <class T>
StreamLayer<T>::StreamLayer(const StreamModelLayer<T>& layer, const Schedule& one_step)
    : layer_(layer), one_step_(one_step) {
  const Index B = one_step.batch(), H = layer.spec.hidden_size;
  Index room = B * H;
  if (layer.packed) {
    const auto& weights = layer.packed->view();
    const Index lanes = kernels::lanes<T>(kernels::forward_kernels(layer.packed->isa()));
    room = std::max(room, weights.panels * lanes);
  }
  std::fill_n(state_h_.reserve(room), room, T{0});
  std::fill_n(state_c_.reserve(room), room, T{0});
  T* const h = h_.reserve(B * H);
  if (!layer.packed) return;

  const LayerForward<T> forward = {
      layer.spec, one_step, Direction::forward, layer.weights,  {}, {h, H},
      nullptr,    nullptr,  state_h_.data(),    state_c_.data()};
  pass_ = kernels::prepare_forward(forward, *layer.packed, workspace_, {0, B});
  if (B > 1 || !layer.packed_step) return;
  step_ = layer.packed_step->pass(pass_);
  kernel_ = kernels::step_kernels<T>(layer.packed->isa()).step;
}

template <class T>
void StreamLayer<T>::step(Rows<const T> x) noexcept {
  if (kernel_ != nullptr) return kernel_(step_, x.data);
  if (!layer_.packed) return step_by_reference(x);
  pass_.x = x.data;
  pass_.x_stride = x.stride;
  kernels::run_forward(pass_, layer_.packed->isa());
}

template <class T>
void StreamLayer<T>::step_by_reference(Rows<const T> x) {
  reference::forward({layer_.spec,
                      one_step_,
                      Direction::forward,
                      layer_.weights,
                      {x.data, x.stride},
                      {h_.data(), layer_.spec.hidden_size},
                      nullptr,
                      nullptr,
                      state_h_.data(),
                      state_c_.data()},
                     layer_.noise, scratch_);
}

template class StreamLayer<float>;
template class StreamLayer<double>;

}  // namespace peephole
