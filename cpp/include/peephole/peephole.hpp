#pragma once

/// The whole public interface of the C++ core.
#include "peephole/activation.hpp"
#include "peephole/call.hpp"
#include "peephole/config.hpp"
#include "peephole/files.hpp"
#include "peephole/initialise.hpp"
#include "peephole/interrupt.hpp"
#include "peephole/lstm.hpp"
#include "peephole/network.hpp"
#include "peephole/optimiser.hpp"
#include "peephole/options.hpp"
#include "peephole/parameters.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "peephole/tape.hpp"
#include "peephole/tensors.hpp"
#include "peephole/types.hpp"
