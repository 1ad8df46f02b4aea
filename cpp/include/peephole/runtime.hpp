#pragma once

#include <string>
#include <vector>

/// What a process chooses for all models: threads and instruction set.
namespace peephole {

/// How many threads a call may use, its own included. At first PEEPHOLE_NUM_THREADS, or else the
/// cores that the process may run on. Results have the same bits for any number.
int num_threads();

/// Throws std::invalid_argument for threads < 1 or more than kMostThreads.
void set_num_threads(int threads);
inline constexpr int kMostThreads = 1024;

/// The instruction set that the kernels use: "avx512", "avx2" or "baseline"; or "reference", the
/// readable path that they are tested against. At first PEEPHOLE_ISA, or else the best there is.
/// Results of different ones differ by rounding.
std::string isa();

/// Who computes layers by default, and why: "avx2 kernels: the best instruction set of this
/// processor", "reference: chosen by PEEPHOLE_ISA". Some options (zoneout, recurrent dropout) send
/// a layer to the reference path. With PEEPHOLE_VERBOSE=1 in the environment, each call writes a
/// line per layer to stderr that says who computes it and why.
std::string backend();

/// Throws std::invalid_argument that lists isas() for another name.
void set_isa(const std::string& name);

/// Those that this build contains and this processor supports.
std::vector<std::string> isas();

}  // namespace peephole
