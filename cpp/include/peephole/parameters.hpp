#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "peephole/config.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// The parameters of a model, in one block of memory that it owns.
///
/// Values are laid out tensor after tensor in the order of specs(), each C-contiguous and starting
/// on a cache line; gradients and optimiser moments use the same layout ("flat", flat_size()
/// values), gaps between tensors holding zeros.
///
/// Models may keep weights repacked for speed. They ask revision() whether what they packed still
/// holds, so every write must be announced: assign() and touch() mark one; a lease() marks writes
/// at any time while it lives.
///
/// A masked weight is exactly 0: assign() stores 0 for it, and settle(), which every run of a model
/// begins with, sets it back to 0 after a write through a lease.
template <class T>
class Parameters {
 public:
  explicit Parameters(std::vector<ParameterSpec> specs);
  ~Parameters();
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  const std::vector<ParameterSpec>& specs() const noexcept;
  /// Position in specs(), or -1.
  Index find(const std::string& name) const noexcept;

  /// (flat_size(),): all values in the flat layout.
  const T* flat() const noexcept;
  T* mutable_flat() noexcept;  // announce writes by touch()
  Index flat_size() const noexcept;
  /// Where parameter `i` begins in the flat layout.
  Index offset(Index i) const noexcept;
  const T* data(Index i) const noexcept { return flat() + offset(i); }

  /// Copies `values` (C-contiguous, of the parameter's size) in; 0 where masked.
  void assign(Index i, const T* values);

  /// The right to write through mutable_flat() at any time until the last copy of it is gone. It
  /// also keeps the memory alive beyond the Parameters.
  std::shared_ptr<void> lease();

  /// Marks a write that has just been made.
  void touch() noexcept;

  /// Changes with every announced write. `kNeverSettled` while a lease lives: keep nothing then.
  std::uint64_t revision() const noexcept;
  static constexpr std::uint64_t kNeverSettled = 0;

  /// Counts announced writes only (assign, touch): what a tape compares, so that reading a
  /// parameter through a lease between forward and backward is no change.
  std::uint64_t writes() const noexcept;

  /// Differs between any two Parameters of the process, dead ones included.
  std::uint64_t identity() const noexcept;

  /// Connects only where `connected` (C-contiguous, of the parameter's size) is true; the other
  /// values become 0. Masks add up: what one has cut stays cut.
  void mask(Index i, const bool* connected);
  bool masked(Index i) const noexcept;
  /// One flag a value, or nullptr where nothing is masked.
  const bool* mask(Index i) const noexcept;

  /// Sets masked values to 0. Safe to call from several threads at once.
  void settle() const noexcept;
  /// Sets the masked entries of `gradients`, in the flat layout, to 0.
  void mask_gradients(T* gradients) const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class Parameters<float>;
extern template class Parameters<double>;

}  // namespace peephole
