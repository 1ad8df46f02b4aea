#pragma once

#include <vector>

#include "base/dual.hpp"
#include "layer/layer.hpp"

/// Gradient checkpointing after T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with
/// sublinear memory cost", 2016, arXiv:1604.06174: of a layer's pass only h and the states between
/// segments are kept. Backward computes the rest again, a segment at a time.
namespace peephole {

/// Steps first <= t < last of a schedule.
struct Segment {
  Index first, last;
};

/// Cuts the steps into segments, in the order of forward; at least one, which is empty where there
/// are no steps. They end where backward's chunks do, so that gradients are summed as of the whole.
template <class T>
void cut(const Schedule& schedule, Direction direction, Index hidden_size,
         std::vector<Segment>& segments);
template <>
void cut<Dual>(const Schedule&, Direction, Index, std::vector<Segment>& segments);

}  // namespace peephole
