#pragma once

#include <string>
#include <string_view>

#include "peephole/export.h"
#include "peephole/types.hpp"

namespace peephole {

/// Activation functions, by the names of the Python contract and of model files.
///
///   sigmoid       1 / (1 + exp(-a))
///   tanh          tanh(a)
///   identity      a
///   relu          max(a, 0)
///   softsign      a / (1 + |a|)
///   softplus      log(1 + exp(a))
///   hard_sigmoid  clip(0.2 a + 0.5, 0, 1)
///   one           1: a gate that is always open (NIG, NFG, NOG of Greff et al. 2017,
///                 doi:10.1109/TNNLS.2016.2582924)
enum class Activation { sigmoid, tanh, identity, relu, softsign, softplus, hard_sigmoid, one };

/// The activations of one layer: of the gates i, f, g, o, and of the cell output (h in the note).
struct Activations {
  Activation i = Activation::sigmoid;
  Activation f = Activation::sigmoid;
  Activation g = Activation::tanh;
  Activation o = Activation::sigmoid;
  Activation c = Activation::tanh;

  Activation of(Gate gate) const noexcept {
    switch (gate) {
      case Gate::input: return i;
      case Gate::forget: return f;
      case Gate::cell: return g;
      case Gate::output: break;
    }
    return o;
  }

  /// By its key in Python and in files, one of kKeys; nullptr for another.
  const Activation* find(char key) const noexcept;
  Activation* find(char key) noexcept;
  static constexpr std::string_view kKeys = "ifgoc";
};

PEEPHOLE_API const char* to_string(Activation activation) noexcept;

/// Throws std::invalid_argument that lists the known names.
PEEPHOLE_API Activation parse_activation(const std::string& name);

}  // namespace peephole
