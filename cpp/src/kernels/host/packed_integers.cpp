#include "kernels/host/packed_integers.hpp"

#include <algorithm>
#include <cstring>

#include "base/arithmetic.hpp"
#include "kernels/host/options.hpp"
#include "kernels/host/table.hpp"
#include "model/rounding.hpp"

namespace peephole::kernels {
namespace {

// What the parameters keep to is what the kernels rely on.
static_assert(kInt16BlockTerms == kInt16Bound.terms && kMostInt16 == kInt16Bound.most_factor);
static_assert(kInt8BlockTerms == kInt8Bound.terms && kMostInt16 == kInt8Bound.most_factor);

/// Where weights stand in panels: (panels, 4 / group, words, group, lanes, 2).
struct PanelShape {
  Index lanes, group, words;

  Index size(Index panels) const noexcept { return panels * kGates * words * lanes * 2; }
  /// The first term of a unit, and the distance from a pair of terms to the next.
  Index first(Index unit, Index gate) const noexcept {
    const Index panel = unit / lanes, lane = unit % lanes;
    return (((panel * (kGates / group) + gate / group) * words) * group + gate % group) * lanes *
               2 +
           lane * 2;
  }
  Index next_pair() const noexcept { return group * lanes * 2; }
};

template <class Weight>
void write_panels(const Weight* matrix, Index units, Index columns, unsigned gates,
                  const PanelShape& shape, Weight* panels) {
  for (Index gate = 0; gate < kGates; ++gate) {
    if ((gates >> gate & 1u) == 0) continue;
    for (Index unit = 0; unit < units; ++unit) {
      const Weight* const row = matrix + (gate * units + unit) * columns;
      Weight* const to = panels + shape.first(unit, gate);
      for (Index k = 0; k < columns; ++k) to[k / 2 * shape.next_pair() + k % 2] = row[k];
    }
  }
}

}  // namespace

void PackedIntegers::pack(const LayerSpec& spec, const LayerWeights<const float>& weights,
                          Isa isa) {
  const Quantization quantization = *spec.quantization;
  const bool is_int8 = quantization != Quantization::int16;
  const Index H = spec.hidden_size, lanes = lanes_of<float>(isa);
  const Index panels = round_up(H, lanes) / lanes;

  const auto pack = [&](const float* matrix, const float* scales, Index columns, unsigned gates,
                        int most, Product& product) -> IntegerPanels {
    const PanelShape shape = {lanes, quantized_kernels_of(isa).gate_group, (columns + 1) / 2};
    const Index size = shape.size(panels), bytes = size * (is_int8 ? 1 : 2);
    std::int8_t* const data = product.bytes.reserve(bytes);
    std::fill_n(data, bytes, std::int8_t{0});
    if (is_int8) {
      write_panels(integers_of<std::int8_t>(matrix), H, columns, gates, shape, data);
    } else {
      write_panels(integers_of<std::int16_t>(matrix), H, columns, gates, shape,
                   reinterpret_cast<std::int16_t*>(data));
    }
    float* const packed = product.scales.reserve(panels * kGates * lanes);
    std::fill_n(packed, panels * kGates * lanes, 0.0f);
    for (Index gate = 0; gate < kGates; ++gate) {
      for (Index unit = 0; unit < H; ++unit) {
        packed[(unit / lanes * kGates + gate) * lanes + unit % lanes] = scales[gate * H + unit];
      }
    }
    return {data, packed, columns, is_int8 ? kInt8BlockTerms : kInt16BlockTerms, is_int8, most};
  };

  constexpr unsigned kAllGates = (1u << kGates) - 1;
  const int most = is_int8 ? kMostInt8 : kMostInt16;
  const int most_of_x = quantization == Quantization::int8_fast ? kMostInt8 : kMostInt16;
  view_ = {};
  view_.any = true;
  if (spec.quantizes_input) {
    view_.input = pack(weights.weight_ih, weights.weight_ih_scale, spec.input_size, kAllGates,
                       most_of_x, input_);
  }
  view_.recurrent = pack(weights.weight_hh, weights.weight_hh_scale, spec.recurrent_size(),
                         kAllGates, most, recurrent_);
  unsigned dense = peephole_gates(spec, Peephole::dense);
  if (spec.output_reads_current()) dense &= ~(1u << index(Gate::output));
  if (dense != 0) {
    view_.dense = pack(weights.weight_ch, weights.weight_ch_scale, H, dense, kMostInt16, dense_);
  }
}

void dequantize(Quantization quantization, const float* matrix, const float* scales, Index rows,
                Index columns, float* to) {
  const auto multiply = [&](const auto* integers) {
    for (Index row = 0; row < rows; ++row) {
      for (Index k = 0; k < columns; ++k, ++integers, ++to) {
        *to = static_cast<float>(*integers) * scales[row];
      }
    }
  };
  if (quantization == Quantization::int16) {
    multiply(integers_of<std::int16_t>(matrix));
  } else {
    multiply(integers_of<std::int8_t>(matrix));
  }
}

}  // namespace peephole::kernels
