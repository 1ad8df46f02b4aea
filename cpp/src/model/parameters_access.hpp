#pragma once

#include <cstdint>

#include "peephole/parameters.hpp"

namespace peephole {

/// What models and optimisers need of Parameters, and users do not.
template <class T>
struct ParametersAccess {
  /// (flat_size(),): all values in the flat layout.
  static const T* flat(const Parameters<T>& parameters) noexcept;
  /// To be followed by announce().
  static T* mutable_flat(Parameters<T>& parameters) noexcept;

  /// Sets masked values to 0 and marks a write that has just been made.
  static void announce(Parameters<T>& parameters) noexcept;

  /// Takes note of what writers have written since the last call, sets masked values to 0 there,
  /// and returns revision(). Every run of a model begins with it. Safe on several threads at once.
  static std::uint64_t refresh(const Parameters<T>& parameters);

  /// Changes with every change of the values that was announced or that refresh() found; above 0.
  static std::uint64_t revision(const Parameters<T>& parameters) noexcept;

  /// Differs between any two Parameters of the process, dead ones included.
  static std::uint64_t identity(const Parameters<T>& parameters) noexcept;

  /// Sets the masked entries of `gradients`, in the flat layout, and the gaps between tensors to 0.
  static void mask_gradients(const Parameters<T>& parameters, T* gradients) noexcept;
};

extern template struct ParametersAccess<float>;
extern template struct ParametersAccess<double>;

}  // namespace peephole
