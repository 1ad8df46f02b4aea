#include "kernels/host/step.hpp"

#include <algorithm>

#include "kernels/host/table.hpp"

namespace peephole::kernels {
namespace {

/// Weights of this size stay in L1 from step to step. Of up to twice the size, half stay if they
/// are read in small tiles and steps alternate between first and last tile first.
constexpr Index kStayingBytes = Index{40} << 10;
constexpr Index kSmallTilePanels = 2;

/// The number of vectors that the gates of a last panel of this many units share; 0: none.
template <class T>
int shared_vectors(const StepKernels<T>& kernels, Index lanes, Index units) noexcept {
  if (!kernels.shared_vectors || units > lanes / 2) return 0;
  return units > lanes / kGates ? 2 : 1;
}

}  // namespace

template <class T>
PackedStep<T>::PackedStep(const PackedForward<T>& packed, const LayerSpec& spec) {
  const StepKernels<T>& kernels = step_kernels_of<T>(packed.isa());
  const ForwardWeights<T>& w = packed.view();
  const Index lanes = lanes_of<T>(packed.isa()), row = kGates * lanes;
  tail_vectors_ = shared_vectors(kernels, lanes, spec.hidden_size - (w.panels - 1) * lanes);
  whole_panels_ = w.panels - (tail_vectors_ > 0 ? 1 : 0);

  const Index size = (whole_panels_ * kGates + tail_vectors_) * w.terms * lanes;
  const Index bytes = size * static_cast<Index>(sizeof(T));
  const bool half_stays = kStayingBytes < bytes && bytes <= 2 * kStayingBytes;
  tile_panels_ = half_stays ? std::min(kernels.max_panels, kSmallTilePanels) : kernels.max_panels;

  T* to = weights_.reserve(size);
  for (Index first = 0; first < w.panels; first += tile_panels_) {
    const Index last = std::min(first + tile_panels_, w.panels);
    for (Index k = 0; k < w.terms; ++k) {
      for (Index p = first; p < last; ++p) {
        const T* const from = w.panel + (p * w.terms + k) * row;
        const Index gate_width = p < whole_panels_ ? lanes : lanes * tail_vectors_ / kGates;
        for (int gate = 0; gate < kGates; ++gate) {
          to = std::copy_n(from + gate * lanes, gate_width, to);
        }
      }
    }
  }
}

template class PackedStep<float>;
template class PackedStep<double>;

}  // namespace peephole::kernels
