#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "runtime/isa.hpp"

namespace peephole {

/// Weights packed for the kernels, kept until a parameter changes. Calls on several threads share
/// what is packed; a call that still uses the old one keeps it.
template <class Packed>
class PackCache {
 public:
  /// What `pack(Packed&)` made of parameters of this revision.
  template <class Pack>
  std::shared_ptr<const Packed> get(std::uint64_t revision, Isa isa, Pack&& pack) {
    const std::lock_guard<std::mutex> lock(mutex_);
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
    const std::lock_guard<std::mutex> lock(mutex_);
    packed_.reset();
  }

 private:
  static constexpr std::uint64_t kNone = 0;  // no parameters have this revision

  std::mutex mutex_;
  std::shared_ptr<Packed> packed_;
  std::uint64_t revision_ = kNone;
  Isa isa_ = Isa::baseline;
};

}  // namespace peephole
