#include "peephole/quantize.hpp"

#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "base/errors.hpp"
#include "model/number_type.hpp"
#include "model/rounding.hpp"
#include "peephole/options.hpp"

namespace peephole {
namespace {

LSTMConfig& stack_of(LSTMConfig& config) noexcept { return config; }
LSTMConfig& stack_of(NetworkConfig& config) noexcept { return config.lstm; }

std::size_t count_of(const ParameterSpec& spec) noexcept {
  return static_cast<std::size_t>(spec.size());
}

/// The values of a parameter as finite floats.
template <class T>
std::vector<float> finite_values(const Parameters<T>& parameters, Index i,
                                 const ParameterSpec& spec) {
  std::vector<float> values(count_of(spec));
  const T* const data = parameters.data(i);
  for (std::size_t j = 0; j < values.size(); ++j) {
    values[j] = static_cast<float>(data[j]);
    if (!std::isfinite(values[j])) {
      refuse(spec.name, "finite values of float", std::to_string(data[j]));
    }
  }
  return values;
}

/// Rounds a matrix to integers, row by row, and assigns them and their scales, which follow them.
template <class Integer>
void assign_rounded(const std::vector<float>& matrix, const ParameterSpec& spec, Index i,
                    Parameters<float>& to) {
  std::vector<Integer> integers(matrix.size());
  std::vector<float> scales(static_cast<std::size_t>(spec.rows));
  for (Index row = 0; row < spec.rows; ++row) {
    const Index at = row * spec.columns;
    scales[static_cast<std::size_t>(row)] =
        round_row(matrix.data() + at, spec.columns, integers.data() + at);
  }
  to.assign_integers(i, integers.data());
  to.assign(i + 1, scales.data());
}

template <class T>
void quantize_parameters(const Parameters<T>& from, Parameters<float>& to) {
  for (Index i = 0; i < static_cast<Index>(to.specs().size()); ++i) {
    const ParameterSpec& spec = to.specs()[static_cast<std::size_t>(i)];
    const Index source = from.find(spec.name);
    if (source < 0) continue;  // scales
    if (from.masked(source)) to.mask(i, from.mask(source));
    const std::vector<float> values = finite_values(from, source, spec);
    with_number<float>(spec.type, [&](auto zero) {
      using Number = decltype(zero);
      if constexpr (std::is_integral_v<Number>) {
        assign_rounded<Number>(values, spec, i, to);
      } else {
        to.assign(i, values.data());
      }
    });
  }
}

void dequantize_parameters(const Parameters<float>& from, Parameters<float>& to) {
  for (Index i = 0; i < static_cast<Index>(to.specs().size()); ++i) {
    const ParameterSpec& spec = to.specs()[static_cast<std::size_t>(i)];
    const Index source = from.find(spec.name);
    if (from.masked(source)) to.mask(i, from.mask(source));
    with_number<float>(from.specs()[static_cast<std::size_t>(source)].type, [&](auto zero) {
      using Number = decltype(zero);
      if constexpr (std::is_integral_v<Number>) {
        std::vector<float> values(count_of(spec));
        dequantize(from.integers<Number>(source), from.data(source + 1), spec.rows, spec.columns,
                   values.data());
        to.assign(i, values.data());
      } else {
        to.assign(i, from.data(source));
      }
    });
  }
}

template <class Model, class Quantized>
Quantized quantized(const Model& model, Quantization quantization) {
  auto config = model.config();
  if (stack_of(config).quantization) {
    refuse("model", "one in floating point",
           std::string("quantization \"") + to_string(*stack_of(config).quantization) + '"');
  }
  stack_of(config).quantization = quantization;
  Quantized made(config, uninitialised);
  quantize_parameters(model.parameters(), made.parameters());
  return made;
}

template <class Model>
Model dequantized(const Model& model) {
  auto config = model.config();
  if (!stack_of(config).quantization) refuse("model", "a quantized one", "one in floating point");
  stack_of(config).quantization.reset();
  Model made(config, uninitialised);
  dequantize_parameters(model.parameters(), made.parameters());
  return made;
}

}  // namespace

template <class T>
LSTM<float> quantize(const LSTM<T>& model, Quantization quantization) {
  return quantized<LSTM<T>, LSTM<float>>(model, quantization);
}
template <class T>
Network<float> quantize(const Network<T>& model, Quantization quantization) {
  return quantized<Network<T>, Network<float>>(model, quantization);
}

LSTM<float> dequantize(const LSTM<float>& model) { return dequantized(model); }
Network<float> dequantize(const Network<float>& model) { return dequantized(model); }

template LSTM<float> quantize(const LSTM<float>&, Quantization);
template LSTM<float> quantize(const LSTM<double>&, Quantization);
template Network<float> quantize(const Network<float>&, Quantization);
template Network<float> quantize(const Network<double>&, Quantization);

}  // namespace peephole
