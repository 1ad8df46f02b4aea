#include "compute/backend.hpp"

#include <cstdio>

#include "kernels/plain/small.hpp"
#include "peephole/runtime.hpp"
#include "runtime/verbose.hpp"

namespace peephole {
namespace {

const char* reason_for(IsaChoice::Source source) noexcept {
  switch (source) {
    case IsaChoice::Source::environment: return "chosen by PEEPHOLE_ISA";
    case IsaChoice::Source::set_isa: return "chosen by set_isa";
    case IsaChoice::Source::numbers: return "it alone computes derivatives of passes";
    case IsaChoice::Source::processor: break;
  }
  return "the best instruction set of this processor";
}

}  // namespace

Backend backend_for(IsaChoice choice) noexcept {
  const char* const reason = reason_for(choice.source);
  if (!choice.kernels) return {Backend::Kind::reference, Isa::baseline, reason};
  return {Backend::Kind::kernels, choice.isa, reason};
}

Backend backend_for(const LayerSpec& spec, const LayerNoise& noise, IsaChoice choice) noexcept {
  const auto reference = [](const char* reason) {
    return Backend{Backend::Kind::reference, Isa::baseline, reason};
  };
  Backend backend = backend_for(choice);
  if (kernels::kSmall && (spec.quantization || spec.layer_norm) && !backend.is_reference() &&
      backend.isa != Isa::baseline) {
    backend = {Backend::Kind::kernels, Isa::baseline,
               "a build with PEEPHOLE_SMALL has no other kernels for this layer"};
  }
  if (spec.quantization && backend.is_reference()) {
    return {Backend::Kind::kernels, Isa::baseline, "the reference path has no integers"};
  }
  if (backend.is_reference() || !spec.layer_norm) return backend;
  if (spec.peephole == Peephole::dense) {
    return reference("the kernels have no layer normalisation with dense peepholes");
  }
  if (spec.projection_size) {
    return reference("the kernels have no layer normalisation with a projection");
  }
  if (spec.clips_cell() || spec.clips_preactivations()) {
    return reference("the kernels have no layer normalisation with clips");
  }
  if (noise.any()) {
    return reference("the kernels have no layer normalisation with recurrent dropout or zoneout");
  }
  return backend;
}

std::string to_string(const Backend& backend) {
  const std::string who =
      backend.is_reference() ? "reference" : to_string(backend.isa) + std::string(" kernels");
  return who + ": " + backend.reason;
}

std::string backend() { return to_string(backend_for(chosen_isa())); }

void log_backend(const char* pass, Index layer, Direction direction, const LayerSpec& spec,
                 const Backend& backend) {
  if (!verbose()) return;
  // One call, so that lines of several threads do not mix.
  std::fprintf(stderr, "peephole: %s: layer %lld%s, %lld inputs, %lld units: %s\n", pass,
               static_cast<long long>(layer), direction == Direction::reverse ? " reverse" : "",
               static_cast<long long>(spec.input_size), static_cast<long long>(spec.hidden_size),
               to_string(backend).c_str());
}

}  // namespace peephole
