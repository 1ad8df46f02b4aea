#pragma once

#include <optional>

#include "runtime/isa.hpp"

namespace peephole {

/// The instruction set whose kernels compute; none: the reference path does.
std::optional<Isa> kernel_isa();

}  // namespace peephole
