#pragma once

#include <memory>
#include <vector>

#include "base/dual.hpp"
#include "compute/backend.hpp"
#include "compute/noise.hpp"
#include "kernels/host/backward.hpp"
#include "kernels/host/forward.hpp"
#include "layer/layer.hpp"
#include "reference/layer.hpp"

/// How the tasks of a layer are computed: by the kernels or the reference path, on how many
/// threads.
namespace peephole {

/// One direction of a layer, and who computes it: all directions of a layer have the same backend.
template <class T>
struct ForwardDirection {
  LayerForward<T> layer;
  LayerNoise noise;
  Backend backend;
  std::shared_ptr<const kernels::PackedForward<T>> packed;  // for the kernels
};

template <class T>
struct BackwardDirection {
  LayerBackward<T> layer;
  LayerNoise noise;
  Backend backend;
  std::shared_ptr<const kernels::PackedBackward<T>> packed;  // for the kernels
};

/// Scratch, kept from call to call.
template <class T>
struct ForwardScratch {
  reference::Scratch<T> reference;
  ForwardNoiseScratch<T> noise[2];  // of each direction
  std::vector<kernels::ForwardWorkspace<T>> parts;
  std::vector<kernels::ForwardTask<T>> tasks;
  std::vector<Index> bounds;  // of shares of ranks
};

template <class T>
struct BackwardScratch {
  reference::Scratch<T> reference;
  BackwardNoiseScratch<T> noise[2];  // of each direction
  kernels::BackwardWorkspace<T> directions[2];
  std::vector<Index> bounds;  // of shares of ranks

  /// Of what grows with the number of steps.
  std::size_t bytes() const noexcept { return noise[0].bytes() + noise[1].bytes(); }
};

/// Computes the directions of a layer, at the same time where that is worth it. Denormals count as
/// zeros meanwhile. The results do not depend on the number of threads.
template <class T>
void run(const std::vector<ForwardDirection<T>>& directions, ForwardScratch<T>& scratch);
template <class T>
void run(const std::vector<BackwardDirection<T>>& directions, BackwardScratch<T>& scratch);

template <>
void run(const std::vector<ForwardDirection<Dual>>& directions, ForwardScratch<Dual>& scratch);
template <>
void run(const std::vector<BackwardDirection<Dual>>& directions, BackwardScratch<Dual>& scratch);

}  // namespace peephole
