#include "peephole/adam.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace peephole {
namespace {

void check(bool valid, const char* argument, const char* expected, double got) {
  if (!valid) {
    throw std::invalid_argument(std::string(argument) + ": expected " + expected + ", got " +
                                std::to_string(got));
  }
}

void check_learning_rate(double learning_rate) {
  check(learning_rate >= 0 && std::isfinite(learning_rate), "learning_rate", "a finite number >= 0",
        learning_rate);
}

}  // namespace

template <class T>
Adam<T>::Adam(std::vector<Index> sizes, const Options& options)
    : options_(options), sizes_(std::move(sizes)) {
  check_learning_rate(options.learning_rate);
  check(options.beta1 >= 0 && options.beta1 < 1, "beta1", "a number in [0, 1)", options.beta1);
  check(options.beta2 >= 0 && options.beta2 < 1, "beta2", "a number in [0, 1)", options.beta2);
  check(options.epsilon > 0 && std::isfinite(options.epsilon), "epsilon", "a finite number > 0",
        options.epsilon);
  for (Index size : sizes_) {
    m_.emplace_back(static_cast<std::size_t>(size), T{0});
    v_.emplace_back(static_cast<std::size_t>(size), T{0});
  }
}

template <class T>
void Adam<T>::set_learning_rate(double learning_rate) {
  check_learning_rate(learning_rate);
  options_.learning_rate = learning_rate;
}

template <class T>
void Adam<T>::step(Span<T* const> parameters, Span<const T* const> gradients) noexcept {
  ++steps_;
  const auto n = static_cast<double>(steps_);
  const auto beta1 = static_cast<T>(options_.beta1), beta2 = static_cast<T>(options_.beta2);
  const auto rest1 = static_cast<T>(1 - options_.beta1), rest2 = static_cast<T>(1 - options_.beta2);
  const auto rate = static_cast<T>(options_.learning_rate / (1 - std::pow(options_.beta1, n)));
  const auto correction2 = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, n)));
  const auto epsilon = static_cast<T>(options_.epsilon);
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    T* const theta = parameters.data[i];
    const T* const g = gradients.data[i];
    T* const m = m_[i].data();
    T* const v = v_[i].data();
    for (Index j = 0; j < sizes_[i]; ++j) {
      m[j] = beta1 * m[j] + rest1 * g[j];
      v[j] = beta2 * v[j] + rest2 * g[j] * g[j];
      theta[j] -= rate * m[j] / (std::sqrt(v[j]) * correction2 + epsilon);
    }
  }
}

template <class T>
double clip_norm(Span<T* const> gradients, Span<const Index> sizes, double max_norm) noexcept {
  double sum = 0;
  for (Index i = 0; i < gradients.size; ++i) {
    for (Index j = 0; j < sizes[i]; ++j) {
      sum += static_cast<double>(gradients[i][j]) * static_cast<double>(gradients[i][j]);
    }
  }
  const double norm = std::sqrt(sum);
  if (norm > max_norm && std::isfinite(norm)) {
    const auto scale = static_cast<T>(max_norm / norm);
    for (Index i = 0; i < gradients.size; ++i) {
      for (Index j = 0; j < sizes[i]; ++j) gradients[i][j] *= scale;
    }
  }
  return norm;
}

template class Adam<float>;
template class Adam<double>;
template double clip_norm(Span<float* const>, Span<const Index>, double) noexcept;
template double clip_norm(Span<double* const>, Span<const Index>, double) noexcept;

}  // namespace peephole
