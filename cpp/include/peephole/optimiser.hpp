#pragma once

#include <string>
#include <variant>
#include <vector>

#include "peephole/export.h"
#include "peephole/parameters.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// The rules by which an Optimiser moves a value θ with the gradient g at step n, at the learning
/// rate α. `weight_decay` is λ. Where a rule has no citation, it is as in PyTorch, as all of them
/// are in their details.

/// Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1); λ adds the gradient of λ|θ|²/2.
///
///     g += λ θ
///     m = β1 m + (1 - β1) g            v = β2 v + (1 - β2) g²
///     θ -= α · m / (1 - β1^n) / (sqrt(v / (1 - β2^n)) + ε)
struct Adam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101): in place of
/// g += λ θ, θ *= 1 - α λ.
struct AdamW {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;
};

/// Stochastic gradient descent with momentum μ, or Nesterov's (Sutskever et al. 2013).
///
///     g += λ θ        b = μ b + g        θ -= α b,    nesterov: θ -= α (g + μ b)
struct SGD {
  double momentum = 0;
  bool nesterov = false;  // needs a momentum above 0
  double weight_decay = 0;
};

/// RMSprop (Tieleman & Hinton 2012, lecture 6.5), centred as in Graves 2013, arXiv:1308.0850.
///
///     g += λ θ        v = ρ v + (1 - ρ) g²        centred: a = ρ a + (1 - ρ) g, otherwise a = 0
///     d = g / (sqrt(v - a²) + ε)        b = μ b + d        θ -= α b
struct RMSprop {
  double rho = 0.99;
  double epsilon = 1e-8;
  double momentum = 0;
  bool centred = false;
  double weight_decay = 0;
};

using OptimiserRule = std::variant<Adam, AdamW, SGD, RMSprop>;

/// Moves a model's parameters by one of the rules above. Weight decay acts on weights, peepholes,
/// head.weight and input.weight, never on biases (tensors of one dimension). Masked weights stay 0.
template <class T>
class PEEPHOLE_API Optimiser {
 public:
  /// parameters     of the model to train, which must outlive the optimiser
  /// learning_rate  0 or more
  /// count          moves the first `count` tensors only: of a network, those of its LSTM; -1: all
  ///
  /// Throws std::invalid_argument for numbers out of range.
  Optimiser(Parameters<T>& parameters, const OptimiserRule& rule, double learning_rate,
            Index count = -1);

  const OptimiserRule& rule() const noexcept { return rule_; }
  double learning_rate() const noexcept { return learning_rate_; }
  /// A finite number of 0 or more; std::invalid_argument for another.
  void set_learning_rate(double learning_rate);
  Index steps() const noexcept { return steps_; }
  /// 0 or more; std::invalid_argument for another.
  void set_steps(Index steps);
  /// How many tensors it moves: those before `count` in specs().
  Index count() const noexcept { return count_; }

  /// One update.
  /// gradients  Parameters::flat_size() values in its layout, as of backward, read
  ///
  /// Throws std::invalid_argument for another size.
  void step(Span<const T> gradients);
  /// The same of count() gradients, each with the values of its tensor.
  void step(Span<const T* const> gradients);

  /// The state of the rule: what it keeps of each value, by the letters above ("m", "v"; "b"; "v",
  /// "a", "b"). With the steps and the learning rate it is all that an optimiser is: to be saved,
  /// and copied into another to go on from there.
  const std::vector<std::string>& state_names() const noexcept { return names_; }
  /// Of tensor i, entry k of state_names(): as many values as the tensor has.
  Span<T> state(Index k, Index i) noexcept;

 private:
  Parameters<T>* parameters_;
  OptimiserRule rule_;
  double learning_rate_;
  Index count_;
  Index steps_ = 0;
  std::vector<std::string> names_;
  std::vector<std::vector<T>> values_;  // the state of tensor 0, then of tensor 1, ...
};

/// Scales all `gradients` (sizes[i] values each) by max_norm / norm where their joint Euclidean
/// norm exceeds max_norm (Pascanu et al. 2013, arXiv:1211.5063); returns the norm before. A norm
/// that is not finite leaves them as they are.
template <class T>
PEEPHOLE_API double clip_norm(Span<T* const> gradients, Span<const Index> sizes,
                              double max_norm) noexcept;
/// The same of gradients in one array, as backward gives them.
template <class T>
double clip_norm(std::vector<T>& gradients, double max_norm) noexcept {
  T* const data = gradients.data();
  const auto size = static_cast<Index>(gradients.size());
  return clip_norm<T>({&data, 1}, {&size, 1}, max_norm);
}

/// Moves each of the values into ±max_value; NaN stays NaN.
template <class T>
PEEPHOLE_API void clip_value(Span<T* const> gradients, Span<const Index> sizes,
                             double max_value) noexcept;
/// The same of gradients in one array.
template <class T>
void clip_value(std::vector<T>& gradients, double max_value) noexcept {
  T* const data = gradients.data();
  const auto size = static_cast<Index>(gradients.size());
  clip_value<T>({&data, 1}, {&size, 1}, max_value);
}

extern template class Optimiser<float>;
extern template class Optimiser<double>;

}  // namespace peephole
