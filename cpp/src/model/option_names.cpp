#include <iterator>

#include "peephole/options.hpp"

/// The names of the enumerations among the options of LSTMConfig and NetworkConfig.
namespace peephole {

template <>
Span<const Name<Peephole>> names<Peephole>() noexcept {
  static constexpr Name<Peephole> kNames[] = {
      {Peephole::diagonal, "diagonal"}, {Peephole::dense, "dense"}, {Peephole::none, "none"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<OutputPeephole>> names<OutputPeephole>() noexcept {
  static constexpr Name<OutputPeephole> kNames[] = {{OutputPeephole::previous, "previous"},
                                                    {OutputPeephole::current, "current"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<InitialState>> names<InitialState>() noexcept {
  static constexpr Name<InitialState> kNames[] = {{InitialState::zeros, "zeros"},
                                                  {InitialState::learned, "learned"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<LayerNorm>> names<LayerNorm>() noexcept {
  static constexpr Name<LayerNorm> kNames[] = {{LayerNorm::gates, "gates"},
                                               {LayerNorm::products, "products"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<LayerNormCell>> names<LayerNormCell>() noexcept {
  static constexpr Name<LayerNormCell> kNames[] = {{LayerNormCell::state, "state"},
                                                   {LayerNormCell::output, "output"},
                                                   {LayerNormCell::none, "none"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<Quantization>> names<Quantization>() noexcept {
  static constexpr Name<Quantization> kNames[] = {{Quantization::int16, "int16"},
                                                  {Quantization::int8, "int8"},
                                                  {Quantization::int8_fast, "int8_fast"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<HeadActivation>> names<HeadActivation>() noexcept {
  static constexpr Name<HeadActivation> kNames[] = {{HeadActivation::identity, "identity"},
                                                    {HeadActivation::sigmoid, "sigmoid"},
                                                    {HeadActivation::tanh, "tanh"},
                                                    {HeadActivation::softmax, "softmax"}};
  return {kNames, std::size(kNames)};
}

template <>
Span<const Name<Readout>> names<Readout>() noexcept {
  static constexpr Name<Readout> kNames[] = {{Readout::all, "all"},
                                             {Readout::last, "last"},
                                             {Readout::mean, "mean"},
                                             {Readout::max, "max"}};
  return {kNames, std::size(kNames)};
}

}  // namespace peephole
