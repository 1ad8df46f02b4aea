#pragma once

#include "peephole/config.hpp"
#include "peephole/export.h"
#include "peephole/lstm.hpp"
#include "peephole/network.hpp"

namespace peephole {

/// A copy for inference whose matrices are integers: half, or a quarter, of the bytes, and faster.
/// See Quantization for what is rounded.
///
/// Such a model infers, traces, streams, runs sessions and is saved as any other; LSTM::forward
/// refuses it. The layers' results have the same bits on every instruction set, but for
/// projections, layer normalisation, and dense peepholes of the output gate that read c_t, which
/// are computed in float, as heads are. A row of x with a NaN makes all later results of its
/// sequence NaN, and no other's; and so does an infinity where x is rounded.
///
/// Values of double are rounded to float first.
///
/// Throws std::invalid_argument for a model that is quantized already, for parameters that are not
/// finite, and for layer_norm with dense peepholes, a projection, clips or zoneout.
template <class T>
PEEPHOLE_API LSTM<float> quantize(const LSTM<T>& model, Quantization quantization);
template <class T>
PEEPHOLE_API Network<float> quantize(const Network<T>& model, Quantization quantization);

/// A model in float with the rounded matrices of a quantized one. Throws std::invalid_argument for
/// one that is not quantized.
PEEPHOLE_API LSTM<float> dequantize(const LSTM<float>& model);
PEEPHOLE_API Network<float> dequantize(const Network<float>& model);

}  // namespace peephole
