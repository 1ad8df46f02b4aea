#include "compute/step.hpp"

#include <algorithm>

namespace peephole {

template <class T>
LayerSteps<T>::LayerSteps(const StepLayer<T>& layer, const Schedule& one_step)
    : layer_(layer),
      one_step_(one_step),
      way_(layer.backend.is_reference()                 ? Way::reference
           : one_step.batch() == 1 && layer.packed_step ? Way::step_kernel
                                                        : Way::forward_kernel) {
  const Index B = one_step.batch(), H = layer.spec.hidden_size;
  Index room = B * H;
  if (way_ != Way::reference) {
    const Index lanes = kernels::lanes<T>(kernels::forward_kernels(layer.backend.isa));
    room = std::max(room, layer.packed->view().panels * lanes);
  }
  std::fill_n(state_h_.reserve(room), room, T{0});
  std::fill_n(state_c_.reserve(room), room, T{0});
  T* const h = h_.reserve(B * H);
  if (way_ == Way::reference) return;

  const LayerForward<T> forward = {
      layer.spec, one_step, Direction::forward, layer.weights,  {}, {h, H},
      nullptr,    nullptr,  state_h_.data(),    state_c_.data()};
  pass_ = kernels::prepare_forward(forward, *layer.packed, workspace_, {0, B});
  if (way_ != Way::step_kernel) return;
  step_ = layer.packed_step->pass(pass_);
  kernel_ = kernels::step_kernels<T>(layer.backend.isa).step;
}

template <class T>
void LayerSteps<T>::step(Rows<const T> x) noexcept {
  switch (way_) {
    case Way::step_kernel: return kernel_(step_, x.data);
    case Way::forward_kernel: break;
    case Way::reference: return step_by_reference(x);
  }
  pass_.x = x.data;
  pass_.x_stride = x.stride;
  kernels::run_forward(pass_, layer_.backend.isa);
}

template <class T>
void LayerSteps<T>::step_by_reference(Rows<const T> x) {
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

template class LayerSteps<float>;
template class LayerSteps<double>;

}  // namespace peephole
