#pragma once

#include <memory>
#include <vector>

#include "compute/backend.hpp"
#include "kernels/host/backward.hpp"
#include "kernels/host/forward.hpp"
#include "layer/layer.hpp"
#include "reference/layer.hpp"

/// How the passes of a layer are computed: by the kernels or the reference path, on how many
/// threads.
namespace peephole {

/// One direction of a layer, and who computes it: all directions of a layer have the same backend.
template <class T>
struct ForwardTask {
  LayerForward<T> layer;
  LayerNoise noise;
  Backend backend;
  std::shared_ptr<const kernels::PackedForward<T>> packed;  // for the kernels
};

template <class T>
struct BackwardTask {
  LayerBackward<T> layer;
  LayerNoise noise;
  Backend backend;
  std::shared_ptr<const kernels::PackedBackward<T>> packed;  // for the kernels
};

/// Scratch, kept from call to call.
template <class T>
struct ForwardScratch {
  reference::Scratch<T> reference;
  std::vector<kernels::ForwardWorkspace<T>> parts;
  std::vector<kernels::ForwardPass<T>> passes;
};

template <class T>
struct BackwardScratch {
  reference::Scratch<T> reference;
  kernels::BackwardWorkspace<T> directions[2];
};

/// Computes the directions of a layer, at the same time where that is worth it. Denormals count as
/// zeros meanwhile. The results do not depend on the number of threads.
template <class T>
void run(const std::vector<ForwardTask<T>>& directions, ForwardScratch<T>& scratch);
template <class T>
void run(const std::vector<BackwardTask<T>>& directions, BackwardScratch<T>& scratch);

}  // namespace peephole
