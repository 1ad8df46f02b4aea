#pragma once

namespace peephole {

/// Whether the environment variable PEEPHOLE_VERBOSE is set to something other than "" or "0", read
/// once per process. Log lines go to stderr.
bool verbose() noexcept;

}  // namespace peephole
