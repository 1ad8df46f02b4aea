#pragma once

#include <vector>

namespace peephole {

/// The instruction sets that kernels are compiled for, the least first. `baseline` runs everywhere.
enum class Isa { baseline, avx2, avx512 };

const char* to_string(Isa isa) noexcept;

/// Those that this build contains, and that the processor and the operating system support.
const std::vector<Isa>& available_isas();

}  // namespace peephole
