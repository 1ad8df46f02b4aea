#pragma once

#include <vector>

#include "peephole/types.hpp"

namespace peephole {

/// Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1), over any number of arrays.
///
///     m = β1 m + (1 - β1) g            v = β2 v + (1 - β2) g²
///     θ -= α · m / (1 - β1^n) / (sqrt(v / (1 - β2^n)) + ε)
///
/// A value whose gradient has always been 0 (a masked weight) does not move.
template <class T>
class Adam {
 public:
  struct Options {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
  };

  /// sizes: of the arrays that step() will be given, in order. Throws std::invalid_argument for
  /// options out of range.
  Adam(std::vector<Index> sizes, const Options& options);

  const Options& options() const noexcept { return options_; }
  void set_learning_rate(double learning_rate);
  Index steps() const noexcept { return steps_; }

  /// One update. parameters[i], changed, and gradients[i], read, have sizes[i] values.
  void step(Span<T* const> parameters, Span<const T* const> gradients) noexcept;

 private:
  Options options_;
  std::vector<Index> sizes_;
  std::vector<std::vector<T>> m_, v_;
  Index steps_ = 0;
};

/// Scales all `gradients` (sizes[i] values each) by max_norm / norm where their joint Euclidean
/// norm exceeds max_norm (Pascanu et al. 2013, arXiv:1211.5063); returns the norm before. A norm
/// that is not finite leaves them as they are.
template <class T>
double clip_norm(Span<T* const> gradients, Span<const Index> sizes, double max_norm) noexcept;

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace peephole
