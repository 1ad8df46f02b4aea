#include "peephole/optimiser.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/errors.hpp"
#include "model/parameters_access.hpp"

namespace peephole {
namespace {

void require(bool valid, const char* argument, const char* expected, double got) {
  if (!valid) {
    throw std::invalid_argument(std::string(argument) + ": expected " + expected + ", got " +
                                std::to_string(got));
  }
}

void require_not_negative(const char* argument, double value) {
  require(value >= 0 && std::isfinite(value), argument, "a finite number >= 0", value);
}

void require_positive(const char* argument, double value) {
  require(value > 0 && std::isfinite(value), argument, "a finite number > 0", value);
}

void require_fraction(const char* argument, double value) {
  require(value >= 0 && value < 1, argument, "a number in [0, 1)", value);
}

template <class AnyAdam>
void validate_adam(const AnyAdam& rule) {
  require_fraction("beta1", rule.beta1);
  require_fraction("beta2", rule.beta2);
  require_positive("epsilon", rule.epsilon);
  require_not_negative("weight_decay", rule.weight_decay);
}

void validate(const Adam& rule) { validate_adam(rule); }
void validate(const AdamW& rule) { validate_adam(rule); }

void validate(const SGD& rule) {
  require_fraction("momentum", rule.momentum);
  require(!rule.nesterov || rule.momentum > 0, "momentum", "a number in (0, 1) with nesterov",
          rule.momentum);
  require_not_negative("weight_decay", rule.weight_decay);
}

void validate(const RMSprop& rule) {
  require_fraction("rho", rule.rho);
  require_positive("epsilon", rule.epsilon);
  require_fraction("momentum", rule.momentum);
  require_not_negative("weight_decay", rule.weight_decay);
}

std::vector<std::string> state_of(const Adam&) { return {"m", "v"}; }
std::vector<std::string> state_of(const AdamW&) { return {"m", "v"}; }
std::vector<std::string> state_of(const SGD& rule) {
  return rule.momentum > 0 ? std::vector<std::string>{"b"} : std::vector<std::string>{};
}
std::vector<std::string> state_of(const RMSprop& rule) {
  std::vector<std::string> names = {"v"};
  if (rule.centred) names.emplace_back("a");
  if (rule.momentum > 0) names.emplace_back("b");
  return names;
}

/// One array in one step.
template <class T>
struct Update {
  T* theta;
  const T* gradient;
  std::vector<T>* state;  // one for each of the rule's letters
  Index size;
  bool decays;
  double learning_rate;
  double n;  // the step, from 1
};

template <class T, class AnyAdam>
void update_adam(const Update<T>& u, const AnyAdam& rule, T added_decay, T shrink) noexcept {
  const auto beta1 = static_cast<T>(rule.beta1), beta2 = static_cast<T>(rule.beta2);
  const auto rest1 = static_cast<T>(1 - rule.beta1), rest2 = static_cast<T>(1 - rule.beta2);
  const auto rate = static_cast<T>(u.learning_rate / (1 - std::pow(rule.beta1, u.n)));
  const auto correction2 = static_cast<T>(1 / std::sqrt(1 - std::pow(rule.beta2, u.n)));
  const auto epsilon = static_cast<T>(rule.epsilon);
  T* const m = u.state[0].data();
  T* const v = u.state[1].data();
  for (Index j = 0; j < u.size; ++j) {
    const T g = u.gradient[j] + added_decay * u.theta[j];
    m[j] = beta1 * m[j] + rest1 * g;
    v[j] = beta2 * v[j] + rest2 * g * g;
    u.theta[j] = shrink * u.theta[j] - rate * m[j] / (std::sqrt(v[j]) * correction2 + epsilon);
  }
}

template <class T>
T added_decay(const Update<T>& u, double weight_decay) noexcept {
  return static_cast<T>(u.decays ? weight_decay : 0);
}

template <class T>
void apply(const Update<T>& u, const Adam& rule) noexcept {
  update_adam(u, rule, added_decay(u, rule.weight_decay), T{1});
}

template <class T>
void apply(const Update<T>& u, const AdamW& rule) noexcept {
  const double decay = u.decays ? u.learning_rate * rule.weight_decay : 0;
  update_adam(u, rule, T{0}, static_cast<T>(1 - decay));
}

template <class T>
void apply(const Update<T>& u, const SGD& rule) noexcept {
  const auto rate = static_cast<T>(u.learning_rate), momentum = static_cast<T>(rule.momentum);
  const T decay = added_decay(u, rule.weight_decay);
  T* const b = rule.momentum > 0 ? u.state[0].data() : nullptr;
  for (Index j = 0; j < u.size; ++j) {
    T g = u.gradient[j] + decay * u.theta[j];
    if (b) {
      b[j] = momentum * b[j] + g;
      g = rule.nesterov ? g + momentum * b[j] : b[j];
    }
    u.theta[j] -= rate * g;
  }
}

template <class T>
void apply(const Update<T>& u, const RMSprop& rule) noexcept {
  const auto rho = static_cast<T>(rule.rho), rest = static_cast<T>(1 - rule.rho);
  const auto rate = static_cast<T>(u.learning_rate), momentum = static_cast<T>(rule.momentum);
  const auto epsilon = static_cast<T>(rule.epsilon);
  const T decay = added_decay(u, rule.weight_decay);
  T* const v = u.state[0].data();
  T* const a = rule.centred ? u.state[1].data() : nullptr;
  T* const b = rule.momentum > 0 ? u.state[rule.centred ? 2 : 1].data() : nullptr;
  for (Index j = 0; j < u.size; ++j) {
    const T g = u.gradient[j] + decay * u.theta[j];
    v[j] = rho * v[j] + rest * g * g;
    T variance = v[j];
    if (a) {
      a[j] = rho * a[j] + rest * g;
      // Of a constant gradient it is 0, but for rounding.
      variance = std::max(variance - a[j] * a[j], T{0});
    }
    T d = g / (std::sqrt(variance) + epsilon);
    if (b) d = b[j] = momentum * b[j] + d;
    u.theta[j] -= rate * d;
  }
}

}  // namespace

template <class T>
Optimiser<T>::Optimiser(Parameters<T>& parameters, const OptimiserRule& rule, double learning_rate,
                        Index count)
    : parameters_(&parameters), rule_(rule), learning_rate_(learning_rate), count_(count) {
  const auto tensors = static_cast<Index>(parameters.specs().size());
  if (count_ < 0) count_ = tensors;
  require(count_ <= tensors, "count", "at most the number of tensors", static_cast<double>(count_));
  require_not_negative("learning_rate", learning_rate);
  std::visit([](const auto& chosen) { validate(chosen); }, rule);
  names_ = std::visit([](const auto& chosen) { return state_of(chosen); }, rule);
  for (Index i = 0; i < count_; ++i) {
    const ParameterSpec& spec = parameters.specs()[static_cast<std::size_t>(i)];
    if (spec.type != NumberType::real) {
      refuse("parameters", "those of a model in floating point", spec.name + " of integers");
    }
    const Index size = spec.size();
    for (std::size_t k = 0; k < names_.size(); ++k) {
      values_.emplace_back(static_cast<std::size_t>(size), T{0});
    }
  }
}

template <class T>
void Optimiser<T>::set_learning_rate(double learning_rate) {
  require_not_negative("learning_rate", learning_rate);
  learning_rate_ = learning_rate;
}

template <class T>
void Optimiser<T>::set_steps(Index steps) {
  require(steps >= 0, "steps", "an integer >= 0", static_cast<double>(steps));
  steps_ = steps;
}

template <class T>
void Optimiser<T>::step(Span<const T> gradients) {
  if (gradients.size != parameters_->flat_size()) {
    refuse("gradients", shape_text({parameters_->flat_size()}), shape_text({gradients.size}));
  }
  std::vector<const T*> tensors;
  for (Index i = 0; i < count_; ++i) tensors.push_back(gradients.data + parameters_->offset(i));
  step(Span<const T* const>(tensors));
}

template <class T>
void Optimiser<T>::step(Span<const T* const> gradients) {
  if (gradients.size != count_) {
    refuse("gradients", std::to_string(count_) + ", one per tensor",
           std::to_string(gradients.size));
  }
  using Access = ParametersAccess<T>;
  Access::refresh(*parameters_);  // or weight decay would act on what is written to masked weights
  ++steps_;
  for (Index i = 0; i < count_; ++i) {
    const ParameterSpec& spec = parameters_->specs()[static_cast<std::size_t>(i)];
    const bool is_bias = spec.columns == 0;
    const Update<T> update{Access::mutable_flat(*parameters_) + parameters_->offset(i),
                           gradients[i],
                           values_.data() + static_cast<std::size_t>(i) * names_.size(),
                           spec.size(),
                           !is_bias,
                           learning_rate_,
                           static_cast<double>(steps_)};
    std::visit([&](const auto& rule) { apply(update, rule); }, rule_);
  }
  Access::announce(*parameters_);
}

template <class T>
Span<T> Optimiser<T>::state(Index k, Index i) noexcept {
  return values_[static_cast<std::size_t>(i) * names_.size() + static_cast<std::size_t>(k)];
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

template <class T>
void clip_value(Span<T* const> gradients, Span<const Index> sizes, double max_value) noexcept {
  const auto most = static_cast<T>(max_value);
  for (Index i = 0; i < gradients.size; ++i) {
    for (Index j = 0; j < sizes[i]; ++j) {
      T& g = gradients[i][j];
      g = g > most ? most : g < -most ? -most : g;
    }
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                  \
  template class Optimiser<T>;                                                   \
  template double clip_norm(Span<T* const>, Span<const Index>, double) noexcept; \
  template void clip_value(Span<T* const>, Span<const Index>, double) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
