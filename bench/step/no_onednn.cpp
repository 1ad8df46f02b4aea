#include "step.hpp"

std::unique_ptr<bench::Step> bench::onednn_step(const Problem&) { return nullptr; }
