#pragma once

#include <cstdint>
#include <string>

#include "peephole/export.h"

namespace peephole {

template <class T>
class LSTM;
template <class T>
class Network;

/// The first values of recurrent weights: uniform as all others, or each gate's (H, H) orthogonal
/// (Saxe et al. 2014, arXiv:1312.6120).
enum class Initialisation { uniform, orthogonal };

/// Throws std::invalid_argument that lists the known names.
PEEPHOLE_API Initialisation parse_initialisation(const std::string& name);

/// For constructors of models whose parameters are written afterwards: until then all are 0.
struct Uninitialised {};
inline constexpr Uninitialised uninitialised{};

/// Draws all weights uniformly from ±1/sqrt(H), H being the units of their layer (of the last one
/// for the head's, and for a dense layer before the stack its inputs), sets biases to 0 and those
/// of the forget gate to 1 (Gers et al. 2000, doi:10.1162/089976600300015015). The same seed gives
/// the same values on every platform, and in float those of double, rounded.
template <class T>
PEEPHOLE_API void initialise(LSTM<T>& lstm, std::uint64_t seed,
                             Initialisation recurrent = Initialisation::uniform);
template <class T>
PEEPHOLE_API void initialise(Network<T>& network, std::uint64_t seed,
                             Initialisation recurrent = Initialisation::uniform);

}  // namespace peephole
