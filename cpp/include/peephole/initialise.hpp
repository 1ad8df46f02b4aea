#pragma once

#include <cstdint>

#include "peephole/network.hpp"

namespace peephole {

/// How recurrent weights begin: uniform as all others, or each gate's (H, H) orthogonal
/// (Saxe et al. 2014, arXiv:1312.6120).
enum class Initialisation { uniform, orthogonal };

Initialisation parse_initialisation(const std::string& name);

/// Draws all weights uniformly from ±1/sqrt(H), H being the units of their layer (of the last one
/// for the head's), sets biases to 0 and those of the forget gate to 1 (Gers et al. 2000,
/// doi:10.1162/089976600300015015). The same seed gives the same values on every platform, and in
/// float those of double, rounded.
template <class T>
void initialise(LSTM<T>& lstm, std::uint64_t seed,
                Initialisation recurrent = Initialisation::uniform);
template <class T>
void initialise(Network<T>& network, std::uint64_t seed,
                Initialisation recurrent = Initialisation::uniform);

}  // namespace peephole
