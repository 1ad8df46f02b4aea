#pragma once

#include <string>
#include <variant>
#include <vector>

#include "peephole/types.hpp"

namespace peephole {

/// The rules by which an Optimiser moves a value θ with the gradient g at step n, at the learning
/// rate α. `weight_decay` λ acts only on arrays that say so (OptimisedArray::decays). Where a rule
/// has no citation, it is as in PyTorch, as all of them are in their details.

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

/// One of the arrays that an optimiser moves.
struct OptimisedArray {
  Index size = 0;
  bool decays = true;  // whether weight decay acts on it: on weights, not on biases
};

/// Moves any number of arrays by one of the rules above. A value that is 0 and whose gradient has
/// always been 0 (a masked weight) does not move, by weight decay neither.
template <class T>
class Optimiser {
 public:
  /// arrays: those that step() will be given, in order. Throws std::invalid_argument for numbers
  /// out of range.
  Optimiser(std::vector<OptimisedArray> arrays, const OptimiserRule& rule, double learning_rate);

  const OptimiserRule& rule() const noexcept { return rule_; }
  double learning_rate() const noexcept { return learning_rate_; }
  /// A finite number of 0 or more; std::invalid_argument for another.
  void set_learning_rate(double learning_rate);
  Index steps() const noexcept { return steps_; }
  /// 0 or more; std::invalid_argument for another.
  void set_steps(Index steps);

  /// One update. parameters[i], changed, and gradients[i], read, have arrays[i].size values.
  void step(Span<T* const> parameters, Span<const T* const> gradients) noexcept;

  /// What the rule remembers of each value, by the letters above ("m", "v"; "b"; "v", "a", "b").
  /// With the steps and the learning rate it is all that an optimiser is: to be written out, and
  /// written back into another.
  const std::vector<std::string>& memories() const noexcept { return memories_; }
  /// (arrays[i].size,): of array i, memory k.
  Span<T> memory(Index k, Index i) noexcept;

 private:
  OptimiserRule rule_;
  double learning_rate_;
  Index steps_ = 0;
  std::vector<OptimisedArray> arrays_;
  std::vector<std::string> memories_;
  std::vector<std::vector<T>> values_;  // memories of array 0, then of array 1, ...
};

/// Scales all `gradients` (sizes[i] values each) by max_norm / norm where their joint Euclidean
/// norm exceeds max_norm (Pascanu et al. 2013, arXiv:1211.5063); returns the norm before. A norm
/// that is not finite leaves them as they are.
template <class T>
double clip_norm(Span<T* const> gradients, Span<const Index> sizes, double max_norm) noexcept;

/// Moves each of the values into ±max_value; NaN stays NaN.
template <class T>
void clip_value(Span<T* const> gradients, Span<const Index> sizes, double max_value) noexcept;

extern template class Optimiser<float>;
extern template class Optimiser<double>;

}  // namespace peephole
