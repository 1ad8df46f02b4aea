#pragma once

#include <vector>

#include "kernels/host/packed_forward.hpp"
#include "kernels/plain/step_task.hpp"

/// Single steps of one sequence, with the bits of the forward kernels.
namespace peephole::kernels {

/// A layer's weights in the order in which single steps read them: see StepTask. Biases and
/// peepholes are read from the weights packed for the forward kernels.
template <class T>
class PackedStep {
 public:
  explicit PackedStep(const PackedForward<T>& packed, const LayerSpec& spec);

  /// `layer`: a forward task over one sequence with the same packed weights.
  StepTask<T> task(const ForwardTask<T>& layer) const noexcept {
    return {layer, weights_.data(), tile_panels_, whole_panels_, tail_vectors_, false};
  }

 private:
  Buffer<T> weights_;
  Index tile_panels_, whole_panels_;
  int tail_vectors_;
};

extern template class PackedStep<float>;
extern template class PackedStep<double>;

}  // namespace peephole::kernels
