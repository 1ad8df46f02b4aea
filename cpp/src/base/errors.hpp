#pragma once

#include <initializer_list>
#include <string>

#include "peephole/types.hpp"

/// The form of all messages about arguments: "x: expected (batch, time, 12), got (8, 20, 11)".
namespace peephole {

/// Throws std::invalid_argument "argument: expected ..., got ...".
[[noreturn]] void refuse(const std::string& argument, const std::string& expected,
                         const std::string& got);

/// "(8, 20, 12)", or "(8,)" for one dimension.
std::string shape_text(std::initializer_list<Index> shape);

}  // namespace peephole
