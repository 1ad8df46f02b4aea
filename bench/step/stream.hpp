#pragma once

#include "options.hpp"

namespace bench {

/// peephole::Stream with a dense head of one output, float32: nanoseconds a step.
void run_streams(const Options& options);

}  // namespace bench
