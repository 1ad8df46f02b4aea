#pragma once

#include "peephole/activation.hpp"

/// The activations as one instruction set's kernels compute them, over n values; n is a multiple of
/// 16 (whole vectors in every set) unless it is below it (a vector's first lanes).
namespace peephole::test {

template <class T>
using ActivationFunction = void (*)(Activation, const T* a, T* y, Index n);

template <class T>
struct ActivationFunctionsOf {
  ActivationFunction<T> activate;
  ActivationFunction<T> derivative;  // from y
};

struct ActivationFunctions : ActivationFunctionsOf<float>, ActivationFunctionsOf<double> {};

}  // namespace peephole::test
