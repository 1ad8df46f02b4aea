#pragma once

#include "peephole/activation.hpp"

/// The activations as one instruction set's kernels compute them, over n values; n is a multiple of
/// 16 (whole vectors in every set) unless it is below it (a vector's first lanes).
namespace peephole::test {

struct ActivationFunctions {
  void (*activate_float)(Activation, const float* a, float* y, Index n);
  void (*activate_double)(Activation, const double* a, double* y, Index n);
  void (*derivative_float)(Activation, const float* y, float* d, Index n);
  void (*derivative_double)(Activation, const double* y, double* d, Index n);
};

extern const ActivationFunctions activations_baseline;
extern const ActivationFunctions activations_avx2;
extern const ActivationFunctions activations_avx512;

}  // namespace peephole::test
