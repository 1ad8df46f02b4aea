#pragma once

#include "peephole/types.hpp"

/// Layer normalisation in the arguments of the kernels.
namespace peephole::kernels {

/// What a layer normalises; see LayerNorm and LayerNormCell.
struct NormForm {
  bool any;
  bool products;   // W x and R h, each over all gates; otherwise the sum of each gate
  bool of_state;   // c_t, for all that reads it
  bool of_output;  // c_t, for h_t alone
  double epsilon;
};

/// Gains and shifts in panels of `lanes` units, 0 beyond H.
template <class T>
struct NormWeights {
  const T* gain;     // (panels, 4, lanes), of the gates or of W x
  const T* gain_hh;  // (panels, 4, lanes), of R h; or null
  const T* shift;    // (panels, 4, lanes): the bias
  const T* gain_c;   // (panels, lanes), or null
  const T* shift_c;  // (panels, lanes), or null
};

template <class T>
struct NormForward {
  NormForm form;
  T* normalised;  // (N, 4H), with products (N, 8H), overwritten; or null
  T* scales;      // (N, 4), with products (N, 2), overwritten; or null

  // Scratch.
  Index block_rows;  // rows whose sums are kept at a time
  T* sums;           // (block_rows, panels, 4, lanes)
  T* input_sums;     // the same, of W x; with products
  T* c;              // (panels, lanes): c_t of the row at hand
};

/// A chunk's row r is packed row chunk.row + r.
template <class T>
struct NormBackward {
  NormForm form;
  const T* normalised;  // (N, 4H), with products (N, 8H), read
  const T* scales;      // (N, 4), with products (N, 2), read
  const T* gain;        // (4H,), of the gates or of W x
  const T* gain_hh;     // (4H,), of R h; or null
  const T* gain_c;      // (H,), or null
  const T* shift_c;     // (H,), or null
  T* dgain;             // (4H,), overwritten or added to
  T* dgain_hh;          // (4H,), or null
  T* dgain_c;           // (H,), or null
  T* dshift_c;          // (H,), or null

  // Scratch.
  T* da;  // (rows of a chunk, da_stride): gradients of the activations' arguments, which
          // the task's da has after their normalisation
  Index da_stride;
  T* da_h;          // of R h in the layout of the task's da, with products; it then is that of W x
  T* dc;            // (rows of a chunk, H): gradient of c_t after its normalisation
  T* normalised_c;  // (rows of a chunk, H): LN(c_t)
};

}  // namespace peephole::kernels
