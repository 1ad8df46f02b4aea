// The choice of an instruction set.

#include "runtime/isa.hpp"

#include <string>

#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"
#include "runtime/isa_choice.hpp"
#include "support/check.hpp"

using namespace peephole;

int main() {
  CHECK(available_isas().front() == Isa::baseline);
  CHECK(isas().front() == "baseline");
  CHECK(isas().back() == "reference");
  for (const std::string& name : isas()) {
    set_isa(name);
    CHECK(isa() == name);
    CHECK(chosen_isa().kernels == (name != "reference"));
  }
  CHECK_THROWS(set_isa("mmx"), "baseline");
  CHECK_THROWS(set_isa(""), "baseline");
  CHECK(isa() == "reference");

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
