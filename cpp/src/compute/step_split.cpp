#include "compute/step_split.hpp"

#include <algorithm>
#include <chrono>

#include "runtime/split_limit.hpp"

namespace peephole {
namespace {

/// Operations of the first pieces, some 20 µs: members that are late, or not there yet, then cost
/// little. The pieces become longer while all are on time: at each piece the kernels read the
/// weights of the input again.
constexpr double kFirstOperations = 2e6, kMostOperations = 2e8;

/// Where other processes have the cores, a member may be late at every step by some milliseconds.
/// After a piece that took longer than kLongPiece, the next one is shorter, so that the call can
/// stop soon or go on without that member. No piece has more than kMostSteps.
constexpr std::chrono::milliseconds kLongPiece{10};
constexpr double kShorter = 8, kMostSteps = 512;

/// How long the first piece waits for members that are awake.
constexpr std::chrono::microseconds kArrivalTime{3};

}  // namespace

StepSplit::StepSplit(Phases& phases, Index parts, double operations) noexcept
    : phases_(phases),
      most_parts_(static_cast<int>(parts)),
      operations_(std::max(1.0, operations)),
      piece_operations_(kFirstOperations) {}

void StepSplit::begin(Index steps) noexcept {
  steps_ = steps;
  first_ = last_ = 0;
}

int StepSplit::next(int present) noexcept {
  using Clock = std::chrono::steady_clock;
  const Clock::duration taken = Clock::now() - start_;
  if (parts_ > 1) report_split(parts_, taken, barrier_.lost());
  const int wanted = split_limit(most_parts_);
  if (!begun_ && present < wanted) {
    const Clock::time_point start = Clock::now();
    while (present < wanted && Clock::now() - start < kArrivalTime) {
      spin_pause();
      present = phases_.present();
    }
  }
  begun_ = true;
  if (present < wanted) phases_.wake();
  const int parts = std::min(wanted, present);
  const bool complete = parts == wanted;
  if (!complete || parts != parts_) {
    piece_operations_ = kFirstOperations;
  } else if (taken > kLongPiece) {
    piece_operations_ = std::max(piece_operations_ / kShorter, kFirstOperations);
  } else {
    piece_operations_ = std::min(2 * piece_operations_, kMostOperations);
  }
  parts_ = parts;
  barrier_.set_members(parts);
  start_ = Clock::now();
  first_ = last_;
  const double steps = std::min(kMostSteps, 2 + parts * piece_operations_ / operations_);
  last_ += static_cast<Index>(std::min(steps, static_cast<double>(steps_ - last_)));
  return parts;
}

kernels::TeamPart StepSplit::part(int nth) noexcept {
  if (parts_ == 1) return {};
  const auto wait = [](void* barrier) { static_cast<Barrier*>(barrier)->wait(); };
  return {nth, parts_, wait, &barrier_};
}

}  // namespace peephole
