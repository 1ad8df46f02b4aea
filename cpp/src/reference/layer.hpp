#pragma once

#include <cstdint>

#include "base/buffer.hpp"
#include "layer/layer.hpp"
#include "layer/noise.hpp"

/// The equations written with Eigen, step by step: readable first, and what every fast kernel is
/// tested against.
namespace peephole::reference {

/// What a pass needs besides its arrays.
template <class T>
struct Scratch {
  Buffer<T> gates;       // (B, 4H)
  Buffer<T> c;           // (B, H)
  Buffer<T> previous_h;  // (B, P)
  Buffer<T> previous_c;  // (B, H)
  Buffer<T> m, dm;       // (B, H): o ⊙ h(c_t), what a projection reads, and its gradient
  // Of layer normalisation:
  Buffer<T> normalised, scales;      // of NormTape at inference, (B, ...)
  Buffer<T> normalised_c, scales_c;  // (B, H), (B,): LN of c
  Buffer<T> dh_part, da_h;  // (B, H), (B, 4H): backward's gradients of h(c)'s argument, R h
  // Where there is noise:
  Buffer<T> recurrent;             // (B, P) factors of h_{t-1}
  Buffer<T> zoned_h, zoned_c;      // (B, P), (B, H) z, 1: the unit keeps its value
  Buffer<T> kept_dh, kept_dc;      // (B, P), (B, H) backward's z ⊙ dh_t, z ⊙ dc_t
  Buffer<T> dropped_h, updated_c;  // (B, P), (B, H) the gates' h_{t-1}, and c before zoneout
};

template <class T>
void forward(const LayerForward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch);
template <class T>
void backward(const LayerBackward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch);

}  // namespace peephole::reference
