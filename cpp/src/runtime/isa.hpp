#pragma once

#include <vector>

namespace peephole {

/// The instruction sets that kernels are compiled for; those of one family of processors from the
/// slowest to the fastest. `baseline` runs everywhere. Each has a row in isa.cpp, in
/// kernels/host/table.cpp and in cpp/kernels.cmake.
enum class Isa { baseline, avx2, avx512, neon };

const char* to_string(Isa isa) noexcept;

/// Those that this build contains, and that the processor and the operating system support.
const std::vector<Isa>& available_isas();

/// Whether the processor has the instructions for integers that some with AVX-512, AVX2 or NEON
/// have.
bool has_avx512_vnni() noexcept;
bool has_avx_vnni() noexcept;
bool has_neon_dot_products() noexcept;

}  // namespace peephole
