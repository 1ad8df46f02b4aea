#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "peephole/call.hpp"
#include "peephole/config.hpp"
#include "peephole/derivatives.hpp"
#include "peephole/export.h"
#include "peephole/initialise.hpp"
#include "peephole/parameters.hpp"
#include "peephole/tape.hpp"
#include "peephole/types.hpp"

namespace peephole {

template <class T>
class Network;
template <class T>
class Stack;
template <class T>
class Stream;
template <class T>
class Sessions;

/// A stack of peephole LSTM layers.
///
///     a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
///     i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
///     c_t = f ⊙ c_{t-1} + g ⊙ i
///     h_t = h(c_t) ⊙ o
///
/// With OutputPeephole::current, P_o reads c_t; for layer normalisation see LayerNorm. With a
/// projection, h_t = clip(W_hr (h(c_t) ⊙ o)), of P values. In a stack, h_t of one layer is x_t of
/// the next; of bidirectional layers, both halves side by side, forward first.
///
/// With preactivation_clip, each a_k is clipped to ±preactivation_clip before its activation; with
/// cell_clip, c_t to ±cell_clip before anything reads it. NaN stays NaN.
///
/// Thread safety: const members may run on several threads at once; nothing may write parameters
/// meanwhile.
///
/// All arguments are checked before anything is computed or written: std::invalid_argument names
/// the argument, what was expected and what came.
template <class T>
class PEEPHOLE_API LSTM {
 public:
  /// Initialises the parameters by initialise() with `seed`.
  LSTM(const LSTMConfig& config, std::uint64_t seed,
       Initialisation recurrent = Initialisation::uniform);
  /// Leaves all parameters 0, for callers that write them.
  LSTM(const LSTMConfig& config, Uninitialised);
  LSTM(LSTM&&) noexcept = default;
  LSTM& operator=(LSTM&&) noexcept = default;

  const LSTMConfig& config() const noexcept;
  Parameters<T>& parameters() noexcept;
  const Parameters<T>& parameters() const noexcept;

  /// Inference.
  /// outputs.y      (B, T, D*P_last); exactly 0 beyond a sequence's length
  /// outputs.final  the state at each sequence's last real step, for length 0 the initial state
  /// There are no logits.
  void infer(const Call<T>& call, const Outputs<T>& outputs) const;

  /// The same in training: draws what the configuration's dropout, recurrent_dropout and zoneout
  /// ask for, and keeps in `tape` what backward needs.
  /// seed  of what is drawn, a function of it, layer, direction, place in the batch, step and unit;
  ///       a configuration that is regularised() needs one
  void forward(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape,
               std::optional<std::uint64_t> seed = {}) const;

  /// How many values of T a tape needs if it is placed in the caller's memory.
  TapeSize tape_size() const;

  /// Restores a tape from its memory, which an earlier forward call has filled. The memory may have
  /// been copied to another address since, and the call may have been of another model with the
  /// same configuration and the same parameter values. batch, time, lengths and seed are those of
  /// that call. initial_given: whether that call had an initial state; without one, the gradients
  /// of a learned initial state are those of all sequences, and with one they are 0.
  void reopen(Tape<T>& tape, Index batch, Index time, Span<const Index> lengths = {},
              std::optional<std::uint64_t> seed = {}, bool initial_given = false) const;

  /// Inference that also fills `tape`, for Tape::activities; backward refuses such a tape.
  void trace(const Call<T>& call, const Outputs<T>& outputs, Tape<T>& tape) const;

  /// Exact gradients by backpropagation through time.
  /// dparameters  parameters().flat_size() values in its layout, of which those of this stack are
  ///              overwritten
  /// Throws as well for a tape of another model, or of parameters that have changed since.
  void backward(const Tape<T>& tape, const Gradient<T>& gradient, Span<T> dparameters,
                const InputGradients<T>& inputs = {}) const;

  /// The Jacobian-vector product of forward: the derivatives of its results as x, the initial state
  /// and the parameters move along `tangents`. Dropout and zoneout are drawn as by forward with
  /// this seed. Computed in double by the reference path, on this thread.
  ///
  ///   values       y and final, as forward gives them to within rounding; y null: not wanted
  ///   derivatives  of y and final along `tangents`; y null: not wanted
  void jvp(const Call<T>& call, const Tangents<T>& tangents, const Outputs<T>& values,
           const Outputs<T>& derivatives, std::optional<std::uint64_t> seed = {}) const;

  /// The Jacobian-vector product of forward and backward together: the derivatives of the results
  /// of both as x, the initial state and the parameters move along `tangents`, and `gradient` along
  /// `gradient_tangents`. Without those, the derivatives of the gradients are the product of
  /// `tangents` with the Hessian of the loss <dy, y> + <dfinal, final> (B. A. Pearlmutter, "Fast
  /// exact multiplication by the Hessian", Neural Computation 6 (1994),
  /// doi:10.1162/neco.1994.6.1.147). Computed as by jvp.
  ///
  ///   tape  as of backward; inputs, lengths and seed are those of the call that filled it
  void backward_jvp(const Tape<T>& tape, const Gradient<T>& gradient, const Tangents<T>& tangents,
                    const std::optional<Gradient<T>>& gradient_tangents,
                    const PassResults<T>& values, const PassResults<T>& derivatives) const;

  /// Frees the memory that calls keep for the next ones: workspaces, weights packed for the
  /// kernels, and the copy for streams. The next calls take it again. Calls that run meanwhile keep
  /// what they use.
  ///
  /// A model keeps one workspace for each call that ran at the same time, but none of more than
  /// 128 MiB.
  void release_workspaces() const;

 private:
  friend class Network<T>;
  friend class Stream<T>;
  friend class Sessions<T>;
  explicit LSTM(std::shared_ptr<Stack<T>> stack);

  std::shared_ptr<Stack<T>> stack_;
};

extern template class LSTM<float>;
extern template class LSTM<double>;

}  // namespace peephole
