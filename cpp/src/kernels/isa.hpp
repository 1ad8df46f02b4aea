#pragma once

#include <string>
#include <vector>

namespace peephole {

/// The instruction sets that kernels are compiled for, the least first. `baseline` runs everywhere.
enum class Isa { baseline, avx2, avx512 };

const char* to_string(Isa isa) noexcept;

/// Those that this build contains, and that the processor and the operating system support.
const std::vector<Isa>& available_isas();

/// Throws std::invalid_argument that lists the available ones for a name that is not among them.
Isa parse_isa(const std::string& name);

/// The best available one, or the one that the environment variable PEEPHOLE_ISA names; throws as
/// parse_isa.
Isa default_isa();

}  // namespace peephole
