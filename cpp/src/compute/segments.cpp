#include "compute/segments.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/host/backward.hpp"

namespace peephole {
namespace {

/// Rows of a segment. With n of them, of T steps of B sequences, 2 n B H values are kept between
/// segments and 6 T B H / n are computed again at a time: least in all for n = sqrt(3 T).
Index rows_wanted(const Schedule& schedule) {
  const double steps = static_cast<double>(std::max<Index>(1, schedule.steps()));
  return static_cast<Index>(static_cast<double>(schedule.packed_rows()) / std::sqrt(3 * steps));
}

}  // namespace

template <class T>
void cut(const Schedule& schedule, Direction direction, Index hidden_size,
         std::vector<Segment>& segments) {
  const Index steps = schedule.steps(), wanted = rows_wanted(schedule);
  const Index chunk_rows = kernels::chunk_rows<T>(hidden_size);
  segments.clear();
  // Chunks are counted from where backward begins: forward's last step.
  Index rows = 0, rows_of_chunk = 0, begin = 0;
  for (Index s = 0; s < steps; ++s) {
    rows_of_chunk += schedule.rows(direction == Direction::forward ? steps - 1 - s : s);
    const bool last = s == steps - 1;
    if (rows_of_chunk < chunk_rows && !last) continue;
    rows += rows_of_chunk;
    rows_of_chunk = 0;
    if (rows < wanted && !last) continue;
    segments.push_back(direction == Direction::forward ? Segment{steps - 1 - s, steps - begin}
                                                       : Segment{begin, s + 1});
    rows = 0;
    begin = s + 1;
  }
  if (segments.empty()) segments.push_back({0, 0});
  std::reverse(segments.begin(), segments.end());
}

template void cut<float>(const Schedule&, Direction, Index, std::vector<Segment>&);
template void cut<double>(const Schedule&, Direction, Index, std::vector<Segment>&);

}  // namespace peephole
