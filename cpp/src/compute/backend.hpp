#pragma once

#include <string>

#include "layer/layer.hpp"
#include "layer/noise.hpp"
#include "runtime/isa_choice.hpp"

/// Who computes a layer.
namespace peephole {

/// The kernels of an instruction set, or the reference path; and why.
struct Backend {
  enum class Kind { kernels, reference };

  Kind kind = Kind::reference;
  Isa isa = Isa::baseline;  // of the kernels
  const char* reason = "";  // a static text

  bool is_reference() const noexcept { return kind == Kind::reference; }
};

/// The backend by the choice of the instruction set alone.
Backend backend_for(IsaChoice choice) noexcept;

/// Who computes a layer with this noise. This is the only place that may choose the reference path
/// because of a layer's options.
Backend backend_for(const LayerSpec& spec, const LayerNoise& noise, IsaChoice choice) noexcept;

/// "avx2 kernels: the best instruction set of this processor", "reference: chosen by PEEPHOLE_ISA".
std::string to_string(const Backend& backend);

/// With PEEPHOLE_VERBOSE set, one line on stderr that says who computes a layer. pass: "forward",
/// "backward" or "stream".
void log_backend(const char* pass, Index layer, Direction direction, const LayerSpec& spec,
                 const Backend& backend);

}  // namespace peephole
