#pragma once

#include "options.hpp"

namespace bench {

/// peephole::Sessions with a dense head of one output, in the format of the options: a call over
/// random ones of 2,000 sessions, beside one stream over as full a batch, and a loop over as many
/// streams. Throws std::runtime_error if their answers differ.
void run_sessions(const Options& options);

}  // namespace bench
