#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peephole/config.hpp"
#include "peephole/export.h"
#include "peephole/types.hpp"

namespace peephole {

template <class T>
class ParameterWriter;

/// The parameters of a model, in one block of memory that it owns.
///
/// Tensor after tensor in the order of specs(), each C-contiguous and starting on a cache line.
/// Gradients use the same layout ("flat", flat_size() values), gaps between tensors holding zeros.
///
/// A masked weight is exactly 0, whatever is written to it.
template <class T>
class PEEPHOLE_API Parameters {
 public:
  explicit Parameters(std::vector<ParameterSpec> specs);
  ~Parameters();
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  const std::vector<ParameterSpec>& specs() const noexcept;
  /// Position in specs(), or -1.
  Index find(const std::string& name) const noexcept;

  Index flat_size() const noexcept;
  /// Where parameter `i` begins in the flat layout.
  Index offset(Index i) const noexcept;
  /// The values of parameter `i`, to be read. Those of integers are in the same memory: see
  /// integers().
  const T* data(Index i) const noexcept;
  /// The values of a parameter whose type is that of Integer: std::int8_t or std::int16_t.
  template <class Integer>
  const Integer* integers(Index i) const noexcept {
    return reinterpret_cast<const Integer*>(data(i));
  }
  /// Of one value of parameter `i`.
  std::size_t value_bytes(Index i) const noexcept;

  /// Copies `values` (C-contiguous, of the parameter's size) in; 0 where masked. Values with the
  /// same bits as before are no change: weights packed for the kernels and tapes stay valid.
  void assign(Index i, const T* values);
  /// Throws std::invalid_argument for integers whose sums could overflow: outside -127..127 or
  /// -32767..32767, or of 16 bits and, over 128 terms of a row that begin at a multiple of 128, of
  /// magnitudes that add up to more than 262,176.
  template <class Integer>
  void assign_integers(Index i, const Integer* values) {
    assign(i, reinterpret_cast<const T*>(values));
  }

  /// The right to write: see ParameterWriter.
  ParameterWriter<T> write();

  /// Connects only where `connected` (C-contiguous, of the parameter's size) is true; the other
  /// values become 0. Masks add up: what one has cut stays cut.
  void mask(Index i, const bool* connected);
  bool masked(Index i) const noexcept;
  /// One flag a value, or nullptr where nothing is masked.
  const bool* mask(Index i) const noexcept;

 private:
  template <class U>
  friend struct ParametersAccess;
  friend class ParameterWriter<T>;
  struct PEEPHOLE_HIDDEN Impl;
  std::shared_ptr<Impl> impl_;
};

/// Writes to parameters in place:
///
///     auto writer = network.parameters().write();
///     writer.data(i)[j] += 1;
///
/// What is written shows in the model's next call, at any time while the writer lives and when it
/// has ended; nothing needs to be announced. To see it, a writer keeps a copy of each tensor that
/// it gave out, and the next calls compare: a tensor that has the same bits has not changed. The
/// memory stays valid as long as the writer, also beyond the Parameters.
///
/// Thread safety: as of any write, none while a call of the model runs.
template <class T>
class PEEPHOLE_API ParameterWriter {
 public:
  ~ParameterWriter();
  ParameterWriter(ParameterWriter&&) noexcept;
  ParameterWriter& operator=(ParameterWriter&&) = delete;

  /// The values of parameter `i`, to be read and written; of integers as by
  /// Parameters::integers().
  T* data(Index i);

 private:
  friend class Parameters<T>;
  using Impl = typename Parameters<T>::Impl;
  explicit ParameterWriter(std::shared_ptr<Impl> impl) noexcept;

  std::shared_ptr<Impl> impl_;
  std::vector<Index> open_;
};

extern template class Parameters<float>;
extern template class Parameters<double>;
extern template class ParameterWriter<float>;
extern template class ParameterWriter<double>;

}  // namespace peephole
