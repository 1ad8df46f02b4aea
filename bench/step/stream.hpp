#pragma once

#include "options.hpp"

namespace bench {

/// peephole::Stream with a dense head of one output, in the format of the options: nanoseconds a
/// step.
void run_streams(const Options& options);

}  // namespace bench
