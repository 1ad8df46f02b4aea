#pragma once

#include <cstdint>
#include <memory>

#include "base/dual.hpp"
#include "base/fork_gate.hpp"
#include "compute/backend.hpp"
#include "kernels/host/packed_backward.hpp"
#include "kernels/host/packed_forward.hpp"

namespace peephole {

/// Weights packed for the kernels, kept until a parameter or the instruction set changes. Calls on
/// several threads share what is packed; a call that still uses an older one keeps it alive.
template <class Packed>
class PackCache {
 public:
  /// What `pack(Packed&)` made of parameters of this revision.
  template <class Pack>
  std::shared_ptr<const Packed> get(std::uint64_t revision, Isa isa, Pack&& pack) {
    const Locked lock(mutex_);
    if (packed_ && revision == revision_ && isa == isa_) return packed_;
    if (!packed_ || packed_.use_count() > 1) packed_ = std::make_shared<Packed>();
    revision_ = kNone;  // should packing fail
    pack(*packed_);
    revision_ = revision;
    isa_ = isa;
    return packed_;
  }

  /// Forgets what is packed; calls that use it keep it.
  void clear() noexcept {
    const Locked lock(mutex_);
    packed_.reset();
  }

 private:
  static constexpr std::uint64_t kNone = 0;  // no parameters have this revision

  Mutex mutex_;
  std::shared_ptr<Packed> packed_;
  std::uint64_t revision_ = kNone;
  Isa isa_ = Isa::baseline;
};

/// The packed weights of one layer in one direction. The reference backend reads weights where they
/// are: it gets nothing.
template <class T>
class LayerPacks {
 public:
  std::shared_ptr<const kernels::PackedForward<T>> forward(const Backend& backend,
                                                           const LayerSpec& spec,
                                                           const LayerWeights<const T>& weights,
                                                           std::uint64_t revision);
  /// For a backward run over `schedule`; with few rows the weights are read where they are.
  std::shared_ptr<const kernels::PackedBackward<T>> backward(const Backend& backend,
                                                             const LayerSpec& spec,
                                                             const LayerWeights<const T>& weights,
                                                             std::uint64_t revision,
                                                             const Schedule& schedule);

  /// Forgets what is packed; calls that use it keep it.
  void clear() noexcept {
    forward_.clear();
    backward_.clear();
  }

 private:
  PackCache<kernels::PackedForward<T>> forward_;
  PackCache<kernels::PackedBackward<T>> backward_;
};

template <>
std::shared_ptr<const kernels::PackedForward<Dual>> LayerPacks<Dual>::forward(
    const Backend&, const LayerSpec&, const LayerWeights<const Dual>&, std::uint64_t);
template <>
std::shared_ptr<const kernels::PackedBackward<Dual>> LayerPacks<Dual>::backward(
    const Backend&, const LayerSpec&, const LayerWeights<const Dual>&, std::uint64_t,
    const Schedule&);

extern template class LayerPacks<float>;
extern template class LayerPacks<double>;

}  // namespace peephole
