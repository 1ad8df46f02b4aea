#pragma once

#include <cstdint>

#include "../buffer.hpp"
#include "../layer.hpp"

/// The equations written with Eigen, step by step: readable first, and what every fast kernel is
/// tested against.
namespace peephole::reference {

/// What regularisation does to a layer; with both probabilities 0 nothing.
///
/// The gates are given h_{t-1} ⊙ m / (1 - recurrent_dropout) for h_{t-1}, with one m of zeros and
/// ones for all steps of a sequence and for all gates: the variational dropout, with tied weights,
/// of Y. Gal, Z. Ghahramani, NIPS 2016, arXiv:1512.05287. And, after D. Krueger et al., ICLR 2017,
/// arXiv:1606.01305, with z drawn for each step, and c, h as the equations have them,
///
///     c_t = z_c ⊙ c_{t-1} + (1 - z_c) ⊙ c        h_t = z_h ⊙ h_{t-1} + (1 - z_h) ⊙ h
///
/// In inference nothing is drawn: each z is its expectation, as in that paper.
struct LayerNoise {
  std::uint64_t seed = 0;
  Index layer = 0;
  double recurrent_dropout = 0;
  double zoneout = 0;
  bool expected = false;  // inference

  bool any() const noexcept { return recurrent_dropout > 0 || zoneout > 0; }
};

/// What a pass needs besides its arrays.
template <class T>
struct Scratch {
  Buffer<T> gates;       // (B, 4H)
  Buffer<T> c;           // (B, H)
  Buffer<T> previous_h;  // (B, H)
  Buffer<T> previous_c;  // (B, H)
  // Where there is noise:
  Buffer<T> recurrent;             // (B, H) factors of h_{t-1}
  Buffer<T> zoned_h, zoned_c;      // (B, H) z, 1: the unit keeps its value
  Buffer<T> kept_dh, kept_dc;      // (B, H) backward's z ⊙ dh_t, z ⊙ dc_t
  Buffer<T> dropped_h, updated_c;  // (B, H) the gates' h_{t-1}, and c before zoneout
};

template <class T>
void forward(const LayerForward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch);
template <class T>
void backward(const LayerBackward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch);

}  // namespace peephole::reference
