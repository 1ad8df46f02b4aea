// The choice of an instruction set.

#include <cstdlib>

#include "check.hpp"
#include "kernels/flush_denormals.hpp"
#include "kernels/isa.hpp"

using namespace peephole;

int main() {
  unsetenv("PEEPHOLE_ISA");
  CHECK(available_isas().front() == Isa::baseline);
  CHECK(default_isa() == available_isas().back());
  for (Isa isa : available_isas()) {
    setenv("PEEPHOLE_ISA", to_string(isa), 1);
    CHECK(default_isa() == isa);
    CHECK(parse_isa(to_string(isa)) == isa);
  }
  setenv("PEEPHOLE_ISA", "mmx", 1);
  CHECK_THROWS(default_isa(), "baseline");
  CHECK_THROWS(parse_isa(""), "baseline");

  volatile float smallest = 1.17549435e-38f;
  const auto half = [&] { return smallest * 0.5f; };
  CHECK(half() != 0);
#if defined(__SSE2__)
  {
    const FlushDenormals flush;
    CHECK(half() == 0);
  }
#endif
  CHECK(half() != 0);
  return check::report();
}
