// The choice of an instruction set.

#include "runtime/isa.hpp"

#include <algorithm>
#include <string>
#include <vector>

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

#if defined(PEEPHOLE_HAS_NEON)
  const std::vector<std::string> names = isas();
  CHECK(std::find(names.begin(), names.end(), "neon") != names.end());
#endif

  volatile float smallest = 1.17549435e-38f, tiny = 1e-39f, large = 1e30f;
  const auto half = [&] { return smallest * 0.5f; };
  CHECK(half() != 0 && tiny * large != 0);
#if defined(__SSE2__) || defined(__aarch64__)
  {
    const FlushDenormals flush;
    CHECK(half() == 0 && tiny * large == 0);  // of results and of operands
    {
      const FlushDenormals again;
    }
    CHECK(half() == 0);
  }
#endif
  CHECK(half() != 0);
  return check::report();
}
