#pragma once

#include <string>
#include <vector>

/// Model files to refuse, each for one reason, and the good one that they are made from; its bytes
/// are put together here, without the library. Tests load them, the fuzzer begins with them.
namespace peephole::test {

struct HostileFile {
  std::string name;
  std::string bytes;
};

/// A Network of float32: 2 inputs, 3 units, 1 output, peephole diagonal, weight_ih_l0 masked.
std::string good_file();

std::vector<HostileFile> hostile_files();

}  // namespace peephole::test
