#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peephole/activation.hpp"
#include "peephole/export.h"
#include "peephole/types.hpp"

namespace peephole {

/// The form of a gate's peephole P_k: none, (H,) or (H, H).
enum class Peephole { none, diagonal, dense };

/// The cell state that the output gate's peephole reads: c_{t-1} (the note) or c_t (Gers 2002,
/// Graves 2013, ONNX).
enum class OutputPeephole { previous, current };

/// The initial state of a sequence if the caller gives none: zeros, or parameters.
enum class InitialState { zeros, learned };
/// Layer normalisation (J. L. Ba, J. R. Kiros, G. E. Hinton, 2016, arXiv:1607.06450), with LN(z) =
/// (z - mean z) / sqrt(var z + epsilon) and the gains γ:
///
///   gates     a_k = γ_k ⊙ LN(W_k x + R_k h + P_k c) + b_k, each gate over its H values
///             (TensorFlow, LiteRT)
///   products  a = γ_x ⊙ LN(W x) + γ_h ⊙ LN(R h) + P c + b, each product over all its 4H values
enum class LayerNorm { gates, products };

/// What layer normalisation does to the cell state, with a gain and a shift of its own:
///   state   c_t = γ_c ⊙ LN(f ⊙ c_{t-1} + g ⊙ i) + β_c, and everything reads this c_t
///   output  h_t = h(γ_c ⊙ LN(c_t) + β_c) ⊙ o alone
///   none    nothing
enum class LayerNormCell { state, output, none };

/// The integers of a quantized model, which is for inference only. Each matrix of a layer, W, R,
/// dense P and W_hr, is stored in them with a scale for each row; x, h and c are rounded to
/// integers, too, with a scale for each row and step, and products are summed exactly.
///
///   int16      matrices of 16 bits, multiplied with integers of 14 bits
///   int8       matrices of 8 bits; h in 8 bits, x and c in 14
///   int8_fast  the same, with x in 8 bits
///
/// W of the first layer and its x stay in float where it has at most kFloatInputs inputs; and
/// biases, diagonal peepholes, initial states and dense layers always do. See quantize().
enum class Quantization { int16, int8, int8_fast };

inline constexpr Index kFloatInputs = 16;

/// The type of a parameter's values: the floating-point type of the model, or integers.
enum class NumberType { real, int8, int16 };

/// A subset of the gates.
class GateSet {
 public:
  constexpr GateSet() noexcept = default;
  static constexpr GateSet all() noexcept { return GateSet(0b1111u); }

  constexpr bool contains(Gate gate) const noexcept { return (bits_ >> index(gate) & 1u) != 0; }
  constexpr bool empty() const noexcept { return bits_ == 0; }
  constexpr GateSet with(Gate gate) const noexcept { return GateSet(bits_ | 1u << index(gate)); }

 private:
  explicit constexpr GateSet(unsigned bits) noexcept : bits_(bits) {}
  unsigned bits_ = 0;
};

/// What a stack of LSTM layers is: its sizes and its choices. See LSTM for the equations. Each
/// member has a row in the list of peephole/options.hpp.
struct LSTMConfig {
  Index input_size = 1;
  std::vector<Index> hidden_sizes;  // (L,)
  Peephole peephole = Peephole::diagonal;
  GateSet peephole_gates = GateSet::all();
  OutputPeephole output_peephole = OutputPeephole::previous;
  bool bias = true;
  std::vector<Activations> activations;  // (L,), or empty: the defaults in every layer
  bool coupled_input_forget = false;     // f = 1 - i (CIFG, Greff et al. 2017)
  bool bidirectional = false;
  InitialState initial_state = InitialState::zeros;
  // Bounds ±clip, above 0; none: no bound. A gradient passes up to the bound, and is 0 beyond it.
  std::optional<double> cell_clip;           // of c_t, before anything reads it
  std::optional<double> preactivation_clip;  // of each a_k, before its activation

  // Regularisation, probabilities in [0, 1). LSTM::forward draws; inference has no dropout, and
  // instead of drawing mixes the two that zoneout chooses from by their probabilities.
  double dropout = 0;  // of what a layer gives the next one, and a network's last its head
  double recurrent_dropout = 0;  // of h_{t-1} on its way to the gates, once for a sequence
  double zoneout = 0;            // that a unit keeps h_{t-1}, and another that it keeps c_{t-1}

  // h_t = W_hr (h(c_t) ⊙ o), of P values, below each H (LSTMP: H. Sak, A. Senior, F. Beaufays,
  // 2014, arXiv:1402.1128), and the bound ±projection_clip that its values are clipped to.
  std::optional<Index> projection_size;
  std::optional<double> projection_clip;

  std::optional<LayerNorm> layer_norm;  // none: the next two have no meaning
  LayerNormCell layer_norm_cell = LayerNormCell::state;
  double layer_norm_epsilon = 1e-5;  // in 1e-30..1

  std::optional<Quantization> quantization;  // none: a model in floating point

  bool regularised() const noexcept { return dropout > 0 || recurrent_dropout > 0 || zoneout > 0; }
  Index layers() const noexcept { return static_cast<Index>(hidden_sizes.size()); }
  Index directions() const noexcept { return bidirectional ? 2 : 1; }
  Index layer_input_size(Index layer) const noexcept;
  /// P of a layer, the values of its h: those of the projection, or H without one.
  Index recurrent_size(Index layer) const noexcept;
  /// D * P of the last layer: the features of y.
  Index output_size() const noexcept;
  /// Of the matrices' values; W of a layer may still be real: see quantizes_input().
  NumberType matrix_type() const noexcept;
  /// Whether W of a layer, and x of it, are integers.
  bool quantizes_input(Index layer) const noexcept;
};

/// The activation of the head; softmax is over the O outputs of a step.
enum class HeadActivation { identity, sigmoid, tanh, softmax };

/// What the head reads of the last layer's h: every step, y (B, T, O); or, y (B, 1, O), the final
/// state, the mean or the largest values over the real steps. See Network.
enum class Readout { all, last, mean, max };

/// What a network is: a stack, a dense head on its last layer, and perhaps a dense layer before the
/// stack. See Network.
struct NetworkConfig {
  LSTMConfig lstm;  // its input_size is that of the network
  Index output_size = 1;
  HeadActivation head = HeadActivation::identity;
  Readout readout = Readout::all;
  std::optional<Index> input_dense_size = std::nullopt;  // D; none: no dense layer before the stack
  Activation input_activation = Activation::identity;    // of that layer

  /// The layers alone: `lstm`, which with a dense layer before it reads its D values.
  LSTMConfig stack() const;
};

/// Name, shape and type of one parameter: (rows, columns), or (rows,) when columns is 0.
struct ParameterSpec {
  std::string name;
  Index rows = 0;
  Index columns = 0;
  NumberType type = NumberType::real;

  Index size() const noexcept { return columns == 0 ? rows : rows * columns; }
};

/// Throw std::invalid_argument that names the option: for a size below 1, for sizes whose arrays no
/// machine can address, for values outside an option's range, and for options that contradict each
/// other.
PEEPHOLE_API void validate(const LSTMConfig& config);
PEEPHOLE_API void validate(const NetworkConfig& config);

/// The parameters in the order of their memory; for layer k, forward then reverse (`_reverse`):
///   weight_ih_l{k}  (4H, I)                     rows: gates i, f, g, o, H each
///   weight_hh_l{k}  (4H, P)
///   weight_ch_l{k}  (4, H) diagonal, (4H, H) dense, absent for none
///   bias_l{k}       (4H,)                       absent without bias
///   weight_hr_l{k}  (P, H)                      absent without projection
///   h0_l{k}, c0_l{k}  (P,), (H,)                InitialState::learned only
///   gain_l{k}       (4H,)                       γ, with LayerNorm::gates alone
///   gain_ih_l{k}, gain_hh_l{k}  (4H,)           γ_x and γ_h, with LayerNorm::products alone
///   gain_c_l{k}, shift_c_l{k}   (H,)            γ_c and β_c, absent with LayerNormCell::none
/// of a quantized model, each matrix of integers is followed by its scales:
///   weight_ih_l{k}_scale, weight_hh_l{k}_scale, weight_ch_l{k}_scale  (4H,)
///   weight_hr_l{k}_scale                                              (P,)
/// and for a network
///   input.weight    (D, I), with D = input_dense_size; absent without, as the next
///   input.bias      (D,)
///   head.weight     (O, directions * P)
///   head.bias       (O,)
PEEPHOLE_API std::vector<ParameterSpec> parameter_specs(const LSTMConfig& config);
PEEPHOLE_API std::vector<ParameterSpec> parameter_specs(const NetworkConfig& config);

/// The letters of the gates, in the order ifgo, as in Python and in files. The parser throws
/// std::invalid_argument for other letters and for letters that come twice. The names of the
/// enumerations are in peephole/options.hpp.
PEEPHOLE_API std::string to_string(GateSet gates);
PEEPHOLE_API GateSet parse_gates(const std::string& letters);

}  // namespace peephole
