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
  const Index B = one_step.batch(), H = layer.spec.hidden_size, P = layer.spec.recurrent_size();
  Index room = B * H;
  if (way_ != Way::reference) {
    const Index lanes = kernels::lanes_of<T>(layer.backend.isa);
    room = std::max(room, layer.packed->view().panels * lanes);
  }
  std::fill_n(state_h_.reserve(room), room, T{0});
  std::fill_n(state_c_.reserve(room), room, T{0});
  T* const h = h_.reserve(B * P);
  if (way_ == Way::reference) return;
  if (layer.noise.zones()) {
    previous_h_.reserve(B * P);
    previous_c_.reserve(B * H);
  }

  const LayerForward<T> forward = {
      layer.spec, one_step, Direction::forward, layer.weights,  {}, {h, P},
      nullptr,    nullptr,  state_h_.data(),    state_c_.data()};
  task_ = kernels::prepare_forward(forward, *layer.packed, workspace_, {0, B});
  if (way_ != Way::step_kernel) return;
  step_ = layer.packed_step->task(task_);
  kernel_ = kernels::step_kernels_of<T>(layer.backend.isa).step;
}

template <class T>
void LayerSteps<T>::step(Rows<const T> x, Index rows) noexcept {
  if (way_ == Way::reference) return step_by_reference(x, rows);
  if (!layer_.noise.zones()) return step_by_kernels(x, rows);
  const Index size_h = rows * layer_.spec.recurrent_size();
  const Index size_c = rows * layer_.spec.hidden_size;
  std::copy_n(state_h_.data(), size_h, previous_h_.data());
  std::copy_n(state_c_.data(), size_c, previous_c_.data());
  step_by_kernels(x, rows);
  mix_zoneout(layer_.noise.zoneout, previous_h_.data(), state_h_.data(), size_h);
  mix_zoneout(layer_.noise.zoneout, previous_c_.data(), state_c_.data(), size_c);
}

template <class T>
void LayerSteps<T>::step_by_kernels(Rows<const T> x, Index rows) noexcept {
  if (way_ == Way::step_kernel) return kernel_(step_, x.data);
  workspace_.steps(1)->rows = rows;
  task_.x = x.data;
  task_.x_stride = x.stride;
  kernels::run_forward(task_, layer_.backend.isa);
}

template <class T>
void LayerSteps<T>::step_by_reference(Rows<const T> x, Index rows) {
  Schedule fewer;
  if (rows < one_step_.batch()) fewer.assign(rows, 1, {});
  reference::forward({layer_.spec,
                      rows < one_step_.batch() ? fewer : one_step_,
                      Direction::forward,
                      layer_.weights,
                      {x.data, x.stride},
                      {h_.data(), layer_.spec.recurrent_size()},
                      nullptr,
                      nullptr,
                      state_h_.data(),
                      state_c_.data()},
                     layer_.noise, scratch_);
}

template class LayerSteps<float>;
template class LayerSteps<double>;

}  // namespace peephole
