#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/dual.hpp"
#include "model/parameters_access.hpp"
#include "peephole/call.hpp"
#include "peephole/parameters.hpp"

/// Between arrays of values and of their tangents, which are the caller's, and arrays of dual
/// numbers. Where tangents are null they are 0; results that are null are not wanted.
namespace peephole {

template <class T>
void join(const T* values, const T* tangents, Index size, Dual* duals) noexcept {
  for (Index k = 0; k < size; ++k) {
    duals[k] = {static_cast<double>(values[k]),
                tangents != nullptr ? static_cast<double>(tangents[k]) : 0};
  }
}

template <class T>
void split(const Dual* duals, Index size, T* values, T* tangents) noexcept {
  for (Index k = 0; k < size && values != nullptr; ++k) values[k] = static_cast<T>(duals[k].value);
  for (Index k = 0; k < size && tangents != nullptr; ++k) {
    tangents[k] = static_cast<T>(duals[k].tangent);
  }
}

/// (B, T, F) of dual numbers.
class DualSequences {
 public:
  /// To be filled.
  DualSequences(Index batch, Index time, Index features)
      : view_(contiguous(buffer_.reserve(batch * time * features), batch, time, features)) {}
  template <class T>
  DualSequences(const SequenceView<const T>& values, const SequenceView<const T>& tangents)
      : DualSequences(values.batch, values.time, values.features) {
    const bool moves = tangents.data != nullptr;
    for (Index b = 0; b < view_.batch; ++b) {
      for (Index t = 0; t < view_.time; ++t) {
        join<T>(values.at(b, t), moves ? tangents.at(b, t) : nullptr, view_.features,
                view_.at(b, t));
      }
    }
  }

  const SequenceView<Dual>& view() const noexcept { return view_; }
  SequenceView<const Dual> read() const noexcept {
    return contiguous<const Dual>(view_.data, view_.batch, view_.time, view_.features);
  }

  template <class T>
  void give(const SequenceView<T>& values, const SequenceView<T>& tangents) const noexcept {
    for (Index b = 0; b < view_.batch; ++b) {
      for (Index t = 0; t < view_.time; ++t) {
        split<T>(view_.at(b, t), view_.features, values.data ? values.at(b, t) : nullptr,
                 tangents.data ? tangents.at(b, t) : nullptr);
      }
    }
  }

 private:
  Buffer<Dual> buffer_;
  SequenceView<Dual> view_;
};

/// Of the state of one layer in one direction: h (B, P), c (B, H).
struct StateSize {
  Index hidden, recurrent;  // H, P
};

/// A state of dual numbers for each layer and direction, or none.
class DualStates {
 public:
  /// None.
  DualStates() = default;
  /// To be filled. sizes: of each layer and direction.
  DualStates(Index batch, const std::vector<StateSize>& sizes) {
    for (const auto& [H, P] : sizes) {
      buffers_.emplace_back();
      Dual* const h = buffers_.back().reserve(batch * (H + P));
      views_.push_back({h, h + batch * P, batch, H, P});
      read_.push_back({h, h + batch * P, batch, H, P});
    }
  }
  /// None where both are empty; where one is, it is 0.
  template <class T>
  DualStates(Index batch, const std::vector<StateSize>& sizes,
             Span<const StateView<const T>> values, Span<const StateView<const T>> tangents) {
    if (values.empty() && tangents.empty()) return;
    *this = DualStates(batch, sizes);
    for (Index k = 0; k < static_cast<Index>(sizes.size()); ++k) {
      const StateView<Dual>& state = views_[static_cast<std::size_t>(k)];
      const Index of_h = batch * state.recurrent_size(), of_c = batch * state.hidden_size;
      const std::vector<T> zeros(values.empty() ? static_cast<std::size_t>(of_c) : 0);  // P <= H
      const bool moves = !tangents.empty();
      join<T>(values.empty() ? zeros.data() : values[k].h, moves ? tangents[k].h : nullptr, of_h,
              state.h);
      join<T>(values.empty() ? zeros.data() : values[k].c, moves ? tangents[k].c : nullptr, of_c,
              state.c);
    }
  }

  Span<const StateView<Dual>> views() const noexcept { return views_; }
  Span<const StateView<const Dual>> read() const noexcept { return read_; }

  template <class T>
  void give(Span<const StateView<T>> values, Span<const StateView<T>> tangents) const noexcept {
    for (Index k = 0; k < static_cast<Index>(views_.size()); ++k) {
      const StateView<Dual>& state = views_[static_cast<std::size_t>(k)];
      const Index of_h = state.batch * state.recurrent_size();
      const Index of_c = state.batch * state.hidden_size;
      split<T>(state.h, of_h, values.empty() ? nullptr : values[k].h,
               tangents.empty() ? nullptr : tangents[k].h);
      split<T>(state.c, of_c, values.empty() ? nullptr : values[k].c,
               tangents.empty() ? nullptr : tangents[k].c);
    }
  }

 private:
  std::vector<Buffer<Dual>> buffers_;
  std::vector<StateView<Dual>> views_;
  std::vector<StateView<const Dual>> read_;
};

/// to = the parameters of the same names, and their masks. tangents: in the flat layout of `from`,
/// or empty.
template <class T>
void join_parameters(const Parameters<T>& from, Span<const T> tangents, Parameters<Dual>& to) {
  ParametersAccess<T>::refresh(from);
  std::vector<Dual> duals;
  for (Index i = 0; i < static_cast<Index>(to.specs().size()); ++i) {
    const ParameterSpec& spec = to.specs()[static_cast<std::size_t>(i)];
    const Index source = from.find(spec.name);
    duals.resize(static_cast<std::size_t>(spec.size()));
    join<T>(from.data(source), tangents.empty() ? nullptr : tangents.data + from.offset(source),
            spec.size(), duals.data());
    if (const bool* const connected = from.mask(source)) to.mask(i, connected);
    to.assign(i, duals.data());
  }
}

/// The reverse, of gradients: from `duals` in the layout of `of` into the layout of `to`, and zeros
/// into the gaps.
template <class T>
void split_parameters(const Parameters<Dual>& of, const Dual* duals, const Parameters<T>& to,
                      Span<T> values, Span<T> tangents) noexcept {
  for (Index i = 0; i < static_cast<Index>(of.specs().size()); ++i) {
    const ParameterSpec& spec = of.specs()[static_cast<std::size_t>(i)];
    const Index target = to.find(spec.name), begin = to.offset(target);
    split<T>(duals + of.offset(i), spec.size(), values.empty() ? nullptr : values.data + begin,
             tangents.empty() ? nullptr : tangents.data + begin);
    for (const Span<T>& flat : {values, tangents}) {
      if (flat.empty()) continue;
      std::fill(flat.data + begin + spec.size(), flat.data + to.offset(target + 1), T{0});
    }
  }
}

}  // namespace peephole
