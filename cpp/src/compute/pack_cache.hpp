#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "peephole/parameters.hpp"
#include "runtime/isa.hpp"

namespace peephole {

/// Weights packed for the kernels, kept until a parameter changes. Calls on several threads share
/// what is packed; who still uses the old one when it goes stale keeps it.
template <class Packed>
class PackCache {
 public:
  /// What `pack(Packed&)` made of parameters of this revision.
  template <class Pack>
  std::shared_ptr<const Packed> get(std::uint64_t revision, Isa isa, Pack&& pack) {
    constexpr std::uint64_t kKeepNothing = Parameters<float>::kNeverSettled;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (packed_ && revision != kKeepNothing && revision == revision_ && isa == isa_) return packed_;
    if (!packed_ || packed_.use_count() > 1) packed_ = std::make_shared<Packed>();
    revision_ = kKeepNothing;  // should packing fail
    pack(*packed_);
    revision_ = revision;
    isa_ = isa;
    return packed_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<Packed> packed_;
  std::uint64_t revision_ = 0;
  Isa isa_ = Isa::baseline;
};

}  // namespace peephole
