#include "kernels/host/packed_integers.hpp"

#include <algorithm>
#include <cassert>

#include "base/arithmetic.hpp"
#include "kernels/host/options.hpp"
#include "kernels/host/table.hpp"
#include "kernels/plain/small.hpp"
#include "model/rounding.hpp"

namespace peephole::kernels {
namespace {

// What the parameters keep to is what the kernels rely on.
static_assert(kInt16BlockTerms == kInt16Bound.terms && kMostInt16 == kInt16Bound.most_factor);
static_assert(kInt8BlockTerms == kInt8Bound.terms && kMostInt16 == kInt8Bound.most_factor);

/// Where weights stand in panels: (panels, 4 / group, words, group, lanes, terms of a word).
struct PanelShape {
  Index panels, lanes, group, word_terms, terms;

  Index words() const noexcept { return (terms + word_terms - 1) / word_terms; }
  Index size() const noexcept { return panels * kGates * words() * lanes * word_terms; }
  /// The first word of a unit, and the distance from a word to the next.
  Index first(Index unit, Index gate) const noexcept {
    const Index panel = unit / lanes, lane = unit % lanes;
    const Index of_group = (panel * (kGates / group) + gate / group) * words();
    return ((of_group * group + gate % group) * lanes + lane) * word_terms;
  }
  Index next_word() const noexcept { return group * lanes * word_terms; }
  /// Where a vector for each gate and panel has the unit's value.
  Index in_vectors(Index unit, Index gate) const noexcept {
    return (unit / lanes * kGates + gate) * lanes + unit % lanes;
  }
  Index vectors_size() const noexcept { return panels * kGates * lanes; }
};

/// f(row, gate, unit) for each row of a matrix (4H, terms) of one of these gates.
template <class Weight, class F>
void for_rows(const Weight* matrix, Index units, const PanelShape& shape, unsigned gates,
              const F& f) {
  for (Index gate = 0; gate < kGates; ++gate) {
    if ((gates >> gate & 1u) == 0) continue;
    for (Index unit = 0; unit < units; ++unit) {
      f(matrix + (gate * units + unit) * shape.terms, gate, unit);
    }
  }
}

template <class Weight>
void write_panels(const Weight* matrix, Index units, const PanelShape& shape, unsigned gates,
                  Weight* panels) {
  for_rows(matrix, units, shape, gates, [&](const Weight* row, Index gate, Index unit) {
    Weight* const to = panels + shape.first(unit, gate);
    for (Index k = 0; k < shape.terms; ++k) {
      to[k / shape.word_terms * shape.next_word() + k % shape.word_terms] = row[k];
    }
  });
}

/// What makes up for factors that are stored as q + quad_offset: see IntegerPanels.
void write_offsets(int quad_offset, const std::int8_t* matrix, Index units, const PanelShape& shape,
                   unsigned gates, std::int32_t* offsets) {
  for_rows(matrix, units, shape, gates, [&](const std::int8_t* row, Index gate, Index unit) {
    for (Index k = 0; k < shape.terms; ++k) {
      std::int32_t* const of_block = offsets + k / kInt8BlockTerms * shape.vectors_size();
      of_block[shape.in_vectors(unit, gate)] -= quad_offset * row[k];
    }
  });
}

}  // namespace

void PackedIntegers::pack(const LayerSpec& spec, const LayerWeights<const float>& weights,
                          Isa isa) {
  assert(!kSmall || isa == Isa::baseline);
  const Quantization quantization = *spec.quantization;
  const bool is_int8 = quantization != Quantization::int16;
  const QuantizedKernels& kernels = quantized_kernels_of(isa);
  const Index H = spec.hidden_size, lanes = lanes_of<float>(isa);
  const Index panels = round_up(H, lanes) / lanes;

  const auto pack = [&](const float* matrix, const float* scales, Index columns, unsigned gates,
                        int most, Product& product) -> IntegerPanels {
    const bool quads = kernels.quads && is_int8 && most == kMostInt8;
    const PanelShape shape = {panels, lanes, kernels.gate_group, quads ? 4 : 2, columns};
    const Index bytes = shape.size() * (is_int8 ? 1 : 2);
    const Index block = is_int8 ? kInt8BlockTerms : kInt16BlockTerms;
    std::int8_t* const data = product.bytes.reserve(bytes);
    std::fill_n(data, bytes, std::int8_t{0});
    if (is_int8) {
      write_panels(integers_of<std::int8_t>(matrix), H, shape, gates, data);
    } else {
      write_panels(integers_of<std::int16_t>(matrix), H, shape, gates,
                   reinterpret_cast<std::int16_t*>(data));
    }
    std::int32_t* offsets = nullptr;
    if (quads) {
      const Index size = (columns + block - 1) / block * shape.vectors_size();
      offsets = product.offsets.reserve(size);
      std::fill_n(offsets, size, 0);
      write_offsets(kernels.quad_offset, integers_of<std::int8_t>(matrix), H, shape, gates,
                    offsets);
    }
    float* const packed = product.scales.reserve(shape.vectors_size());
    std::fill_n(packed, shape.vectors_size(), 0.0f);
    for (Index gate = 0; gate < kGates; ++gate) {
      for (Index unit = 0; unit < H; ++unit) {
        packed[shape.in_vectors(unit, gate)] = scales[gate * H + unit];
      }
    }
    return {data, packed, offsets, panels, columns, block, is_int8, most};
  };

  constexpr unsigned kOfAll = (1u << kGates) - 1;
  const int most = is_int8 ? kMostInt8 : kMostInt16;
  const int most_of_x = quantization == Quantization::int8_fast ? kMostInt8 : kMostInt16;
  view_ = {};
  view_.any = true;
  if (spec.quantizes_input) {
    view_.input = pack(weights.weight_ih, weights.weight_ih_scale, spec.input_size, kOfAll,
                       most_of_x, input_);
  }
  view_.recurrent = pack(weights.weight_hh, weights.weight_hh_scale, spec.recurrent_size(), kOfAll,
                         most, recurrent_);
  unsigned dense = peephole_gates(spec, Peephole::dense);
  if (spec.output_reads_current()) dense &= ~(1u << index(Gate::output));
  if (dense != 0) {
    view_.dense = pack(weights.weight_ch, weights.weight_ch_scale, H, dense, kMostInt16, dense_);
  }
}

}  // namespace peephole::kernels
