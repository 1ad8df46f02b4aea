#pragma once

#include <memory>

#include "peephole/export.h"
#include "peephole/lstm.hpp"

namespace peephole {

/// A stack of LSTM layers with a dense head: y = head(V r + v) of what the readout gives as r.
///
/// With NetworkConfig::input_dense_size the stack does not read x_t, but the D values
/// u_t = input_activation(W x_t + b) of a dense layer before it.
///
/// Readout::all  h_t of every step: y (B, T, O), exactly 0 beyond a sequence's length.
/// Readout::last  the last layer's final h: at each sequence's last real step and, of a
///   bidirectional layer, beside it the reverse direction's after reading back to step 0.
/// Readout::mean, Readout::max  the mean, or the largest value, of each feature of h over the real
///   steps. A NaN at any step stays. The gradient of the largest value goes to the first step that
///   has it.
///
/// For all but `all`, y is (B, 1, O). A sequence of length 0 has nothing to read: its y and logits
/// are 0. Everything else as in LSTM.
template <class T>
class PEEPHOLE_API Network {
 public:
  /// With the first values that initialise() draws from `seed`.
  Network(const NetworkConfig& config, std::uint64_t seed,
          Initialisation recurrent = Initialisation::uniform);
  /// Leaves all parameters 0, for callers that write them.
  Network(const NetworkConfig& config, Uninitialised);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const NetworkConfig& config() const noexcept;
  Parameters<T>& parameters() noexcept;
  const Parameters<T>& parameters() const noexcept;
  /// The stack inside, over the same parameters. Its input_size is D with a dense layer before it.
  std::shared_ptr<LSTM<T>> lstm() const noexcept;

  /// outputs.y       (B, T, O), or (B, 1, O)
  /// outputs.logits  V r + v, shaped as y, 0 where y is padding
  void infer(const Call<T>& call, const Outputs<T>& outputs) const;

  /// seed  as of LSTM::forward; dropout also meets the last layer's h on its way to the head.
  void forward(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape,
               std::optional<std::uint64_t> seed = {}) const;

  /// As LSTM::trace.
  void trace(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape) const;

  /// As LSTM::backward; the gradient may be of the logits.
  void backward(const Tape<T>& tape, const Gradient<T>& gradient, Span<T> dparameters,
                const InputGradients<T>& inputs = {}) const;

  /// As of LSTM; of logits, in `values` and `derivatives`, where they are not null. The gradient
  /// and its tangent must be of the same results, y or logits.
  void jvp(const Call<T>& call, const Tangents<T>& tangents, const Outputs<T>& values,
           const Outputs<T>& derivatives, std::optional<std::uint64_t> seed = {}) const;
  void backward_jvp(const Tape<T>& tape, const Gradient<T>& gradient, const Tangents<T>& tangents,
                    const std::optional<Gradient<T>>& gradient_tangents,
                    const PassResults<T>& values, const PassResults<T>& derivatives) const;

  /// As LSTM::release_workspaces.
  void release_workspaces() const;

 private:
  struct PEEPHOLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace peephole
