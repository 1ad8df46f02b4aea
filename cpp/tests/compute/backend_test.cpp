// Who computes a layer, and why.

#include "compute/backend.hpp"

#include <string>

#include "base/dual.hpp"
#include "kernels/plain/small.hpp"
#include "peephole/runtime.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

// The instruction set that every build has.
constexpr IsaChoice kBest = {true, Isa::baseline, IsaChoice::Source::processor};
constexpr IsaChoice kReference = {false, Isa::baseline, IsaChoice::Source::environment};

std::string who(double recurrent_dropout, double zoneout, bool inference, IsaChoice choice) {
  const LayerSpec spec = {};
  LayerNoise noise;
  noise.recurrent_dropout = recurrent_dropout;
  noise.zoneout = zoneout;
  noise.expected = inference;
  return to_string(backend_for(spec, noise, choice));
}

void check_reasons() {
  CHECK(who(0, 0, false, kBest) == "baseline kernels: the best instruction set of this processor");
  CHECK(who(.1, 0, false, kBest) == who(0, 0, false, kBest));
  CHECK(who(0, .1, false, kBest) == who(0, 0, false, kBest));
  CHECK(who(0, .1, true, kBest) == who(0, 0, false, kBest));
  CHECK(who(0, 0, false, kReference) == "reference: chosen by PEEPHOLE_ISA");
  CHECK(who(0, .1, false, kReference) == "reference: chosen by PEEPHOLE_ISA");
  CHECK(who(0, 0, false, chosen_isa_for<Dual>()) ==
        "reference: it alone computes derivatives of passes");
}

void check_reasons_of_options() {
  LayerSpec spec = {};
  LayerNoise noise;
  const auto said = [&] { return to_string(backend_for(spec, noise, kBest)); };
  const std::string kernels = "baseline kernels: the best instruction set of this processor";
  spec.layer_norm = LayerNorm::gates;
  spec.peephole = Peephole::diagonal;
  CHECK(said() == kernels);
  spec.peephole = Peephole::dense;
  CHECK(said() == "reference: the kernels have no layer normalisation with dense peepholes");
  spec.peephole = Peephole::none;
  for (double LayerSpec::* bound : {&LayerSpec::cell_clip, &LayerSpec::preactivation_clip}) {
    spec.*bound = 1;
    CHECK(said() == "reference: the kernels have no layer normalisation with clips");
    spec.layer_norm.reset();
    CHECK(said() == kernels);
    spec.layer_norm = LayerNorm::gates;
    spec.*bound = kNoClip;
  }
  noise.zoneout = 0.1;
  CHECK(said() ==
        "reference: the kernels have no layer normalisation with recurrent dropout or zoneout");
  CHECK(to_string(backend_for(spec, noise, kReference)) == "reference: chosen by PEEPHOLE_ISA");
}

void check_a_small_build() {
  constexpr IsaChoice kOther = {true, Isa::avx2, IsaChoice::Source::processor};
  LayerSpec plain = {}, normalised = {}, quantized = {};
  normalised.layer_norm = LayerNorm::gates;
  quantized.quantization = Quantization::int8;
  CHECK(backend_for(plain, {}, kOther).isa == Isa::avx2);
  for (const LayerSpec& spec : {normalised, quantized}) {
    const Backend backend = backend_for(spec, {}, kOther);
    CHECK(backend.isa == (kernels::kSmall ? Isa::baseline : Isa::avx2));
    if (kernels::kSmall) {
      CHECK(to_string(backend) ==
            "baseline kernels: a build with PEEPHOLE_SMALL has no other kernels for this layer");
    }
  }
}

void check_the_process_wide_choice() {
  const std::string before = isa();
  CHECK(backend() == to_string(backend_for(chosen_isa())));
  set_isa("baseline");
  CHECK(backend() == "baseline kernels: chosen by set_isa");
  set_isa("reference");
  CHECK(backend() == "reference: chosen by set_isa");
  CHECK(backend_for(chosen_isa()).is_reference());
  set_isa(before);
}

}  // namespace

int main() {
  check_reasons();
  check_reasons_of_options();
  check_a_small_build();
  check_the_process_wide_choice();
  return check::report();
}
