#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

/// Dimensions, named once for the whole project:
///   T  steps of time          B  sequences in a batch      I  inputs of a layer
///   H  units of a layer       L  layers of a stack         O  outputs of the head
///   P  values of h: the size of the projection; without one, H
///   D  directions (1, or 2 when bidirectional)             N  real steps in a batch, sum of
///   lengths
namespace peephole {

using Index = std::ptrdiff_t;

/// The gates, in the order of every array: weights, biases, peepholes, saved gates.
enum class Gate : int { input = 0, forget = 1, cell = 2, output = 3 };
inline constexpr int kGates = 4;

constexpr int index(Gate gate) noexcept { return static_cast<int>(gate); }

/// `size` consecutive values; the memory is the caller's. Made of a pointer and a size, or of
/// anything with data() and size(), such as a std::vector.
template <class T>
struct Span {
  T* data = nullptr;
  Index size = 0;

  constexpr Span() noexcept = default;
  constexpr Span(T* values, Index count) noexcept : data(values), size(count) {}
  template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                 decltype(std::declval<Container&>().data()), T*>>>
  constexpr Span(Container&& container) noexcept
      : data(container.data()), size(static_cast<Index>(container.size())) {}

  constexpr bool empty() const noexcept { return size == 0; }
  constexpr T& operator[](Index i) const noexcept { return data[i]; }
  constexpr T* begin() const noexcept { return data; }
  constexpr T* end() const noexcept { return data + size; }
};

/// (B, T, F): a batch of sequences of F features each; the memory is the caller's.
///
/// The features of one step are consecutive. Strides count elements; for arrays that are only read
/// they may be negative, and steps may overlap (windows of one long series).
template <class T>
struct SequenceView {
  T* data = nullptr;
  Index batch = 0;
  Index time = 0;
  Index features = 0;
  Index batch_stride = 0;
  Index time_stride = 0;

  T* at(Index b, Index t) const noexcept { return data + b * batch_stride + t * time_stride; }
};

/// The view of a C-contiguous (B, T, F) array.
template <class T>
SequenceView<T> contiguous(T* data, Index batch, Index time, Index features) noexcept {
  return {data, batch, time, features, time * features, features};
}

/// State of one layer in one direction, or its gradient: h (B, P) and c (B, H), C-contiguous.
template <class T>
struct StateView {
  T* h = nullptr;
  T* c = nullptr;
  Index batch = 0;            // B
  Index hidden_size = 0;      // H
  Index projection_size = 0;  // P, or 0 where P is H

  /// P.
  Index recurrent_size() const noexcept {
    return projection_size > 0 ? projection_size : hidden_size;
  }
};

}  // namespace peephole
