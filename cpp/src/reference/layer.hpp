#pragma once

#include "../buffer.hpp"
#include "../layer.hpp"

/// The equations written with Eigen, step by step: readable first, and what every fast kernel is
/// tested against.
namespace peephole::reference {

/// What a pass needs besides its arrays.
template <class T>
struct Scratch {
  Buffer<T> gates;       // (B, 4H)
  Buffer<T> c;           // (B, H)
  Buffer<T> previous_h;  // (B, H)
  Buffer<T> previous_c;  // (B, H)
};

template <class T>
void forward(const LayerForward<T>& layer, Scratch<T>& scratch);
template <class T>
void backward(const LayerBackward<T>& layer, Scratch<T>& scratch);

}  // namespace peephole::reference
