#include "peephole/ctc.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "api/checks.hpp"
#include "base/errors.hpp"
#include "compute/shares.hpp"
#include "peephole/runtime.hpp"

namespace peephole {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log(exp(a) + exp(b) + exp(c)); NaN if one of them is.
double log_sum(double a, double b, double c) noexcept {
  const double largest = std::max(std::max(a, b), c);
  if (largest == -kInfinity) return a + b + c;
  return largest + std::log(std::exp(a - largest) + std::exp(b - largest) + std::exp(c - largest));
}

/// z - log sum exp(z) of a step, which cannot overflow.
template <class T>
void log_softmax(const T* z, Index O, double* log_y) noexcept {
  double largest = -kInfinity, sum = 0;
  for (Index k = 0; k < O; ++k) largest = std::max(largest, static_cast<double>(z[k]));
  for (Index k = 0; k < O; ++k) sum += std::exp(static_cast<double>(z[k]) - largest);
  const double log_total = largest + std::log(sum);
  for (Index k = 0; k < O; ++k) log_y[k] = static_cast<double>(z[k]) - log_total;
}

/// The memory of one thread, for sequences of T steps and targets of E states.
struct Memory {
  std::vector<double> log_y;  // (T, O)
  std::vector<double> alpha;  // (T, E) logarithms
  std::vector<double> beta;   // (2, E + 2) logarithms of two steps, with two states after the last
  std::vector<double> expected;  // (O,)

  Memory(Index T, Index O, Index E)
      : log_y(static_cast<std::size_t>(T * O)),
        alpha(static_cast<std::size_t>(T * E)),
        beta(static_cast<std::size_t>(2 * (E + 2))),
        expected(static_cast<std::size_t>(O)) {}
};

/// One sequence and its target.
template <class T>
class Alignment {
 public:
  Alignment(Span<const Index> labels, Index blank, Index steps, Index outputs, Memory& memory)
      : labels_(labels),
        blank_(blank),
        T_(steps),
        O_(outputs),
        E_(2 * labels.size + 1),
        memory_(memory) {}

  /// -log p; the gradient of each step is written to gradient + t * stride.
  double compute(const T* z, Index z_stride, T* gradient, Index stride) noexcept {
    for (Index t = 0; t < T_; ++t) log_softmax(z + t * z_stride, O_, log_y(t));
    const double log_p = forward();
    backward(log_p, gradient, stride);
    return -log_p;
  }

 private:
  /// The output of a state: blank, label, blank, label, ..., blank.
  Index output(Index s) const noexcept { return s % 2 == 0 ? blank_ : labels_[s / 2]; }
  /// Whether a path may go from s - 2 to s.
  bool skips(Index s) const noexcept {
    return s % 2 == 1 && s >= 3 && labels_[s / 2] != labels_[s / 2 - 1];
  }
  /// The states that can be reached in step t, and from which the end can be reached.
  Index first(Index t) const noexcept { return std::max<Index>(0, E_ - 2 * (T_ - t)); }
  Index end(Index t) const noexcept { return std::min(E_, 2 * t + 2); }

  double* log_y(Index t) noexcept { return memory_.log_y.data() + t * O_; }
  double* alpha(Index t) noexcept { return memory_.alpha.data() + t * E_; }

  /// log p.
  double forward() noexcept {
    if (T_ == 0) return E_ == 1 ? 0 : -kInfinity;
    std::fill_n(alpha(0), T_ * E_, -kInfinity);
    for (Index s = first(0); s < end(0); ++s) alpha(0)[s] = log_y(0)[output(s)];
    for (Index t = 1; t < T_; ++t) {
      const double* before = alpha(t - 1);
      for (Index s = first(t); s < end(t); ++s) {
        const double one = s >= 1 ? before[s - 1] : -kInfinity;
        const double two = skips(s) ? before[s - 2] : -kInfinity;
        alpha(t)[s] = log_y(t)[output(s)] + log_sum(before[s], one, two);
      }
    }
    const double* last = alpha(T_ - 1);
    return log_sum(last[E_ - 1], E_ > 1 ? last[E_ - 2] : -kInfinity, -kInfinity);
  }

  void backward(double log_p, T* gradient, Index stride) noexcept {
    std::vector<double>& expected = memory_.expected;
    double* after = memory_.beta.data();  // y[t+1, s] beta[t+1, s]
    double* now = after + E_ + 2;
    for (Index t = T_ - 1; t >= 0; --t) {
      std::fill_n(now, E_ + 2, -kInfinity);
      std::fill(expected.begin(), expected.end(), 0.0);
      for (Index s = first(t); s < end(t); ++s) {
        const double two = s + 2 < E_ && skips(s + 2) ? after[s + 2] : -kInfinity;
        const double beta = t == T_ - 1 ? 0 : log_sum(after[s], after[s + 1], two);
        expected[static_cast<std::size_t>(output(s))] += std::exp(alpha(t)[s] + beta - log_p);
        now[s] = log_y(t)[output(s)] + beta;
      }
      T* out = gradient + t * stride;
      for (Index k = 0; k < O_; ++k) {
        const double occupied = log_p == -kInfinity ? std::numeric_limits<double>::quiet_NaN()
                                                    : expected[static_cast<std::size_t>(k)];
        out[k] = static_cast<T>(std::exp(log_y(t)[k]) - occupied);
      }
      std::swap(after, now);
    }
  }

  Span<const Index> labels_;
  Index blank_, T_, O_, E_;
  Memory& memory_;
};

void check_targets(const LabelSequences& targets, Index B, Index O, Index blank) {
  if (blank < 0 || blank >= O) {
    refuse("blank", "one of the " + std::to_string(O) + " outputs", std::to_string(blank));
  }
  if (targets.counts.size != B) {
    refuse("targets.counts", shape_text({B}), shape_text({targets.counts.size}));
  }
  Index total = 0;
  for (const Index count : targets.counts) {
    if (count < 0 || count > targets.labels.size - total) {
      refuse("targets.counts", "counts of 0 or more, with the number of labels as their sum",
             std::to_string(count));
    }
    total += count;
  }
  if (total != targets.labels.size) {
    refuse("targets.labels", shape_text({total}), shape_text({targets.labels.size}));
  }
  for (const Index label : targets.labels) {
    if (label < 0 || label >= O || label == blank) {
      refuse("targets.labels", "labels in 0.." + std::to_string(O - 1) + " other than the blank",
             std::to_string(label));
    }
  }
}

/// Floating-point operations that take as long as a state of a step, with its exponentials.
constexpr double kOperationsPerState = 200;

}  // namespace

template <class T>
void ctc(SequenceView<const T> logits, Span<const Index> lengths, const LabelSequences& targets,
         Index blank, Span<double> losses, SequenceView<T> gradient) {
  const Index B = logits.batch, O = logits.features;
  check_lengths(lengths, B, logits.time);
  check_targets(targets, B, O, blank);
  if (losses.size != B) refuse("losses", shape_text({B}), shape_text({losses.size}));
  check_shape("gradient", gradient, B, logits.time, O);
  if (B == 0) return;

  Index longest = 0;
  std::vector<Index> begins;
  double states = 0;
  for (Index b = 0, begin = 0; b < B; begin += targets.counts[b], ++b) {
    longest = std::max(longest, targets.counts[b]);
    begins.push_back(begin);
    states += static_cast<double>(logits.time) * static_cast<double>(2 * targets.counts[b] + 1);
  }
  const Index members = std::min(B, useful_members(kOperationsPerState * states, num_threads()));
  std::vector<Memory> memory(static_cast<std::size_t>(members),
                             Memory(logits.time, O, 2 * longest + 1));
  Team team(static_cast<int>(members));
  Interruption interruption;
  std::atomic<Index> next{0};
  team.run([&](int member) noexcept {
    const FlushDenormals flush;
    for (Index b = next++; b < B && !interruption.poll(); b = next++) {
      const Index steps = lengths.empty() ? logits.time : lengths[b];
      const Span<const Index> labels(targets.labels.data + begins[static_cast<std::size_t>(b)],
                                     targets.counts[b]);
      Alignment<T> alignment(labels, blank, steps, O, memory[static_cast<std::size_t>(member)]);
      losses[b] = alignment.compute(logits.at(b, 0), logits.time_stride, gradient.at(b, 0),
                                    gradient.time_stride);
      for (Index t = steps; t < logits.time; ++t) std::fill_n(gradient.at(b, t), O, T(0));
    }
  });
  interruption.check();
}

#define PEEPHOLE_INSTANTIATE(T)                                                             \
  template void ctc(SequenceView<const T>, Span<const Index>, const LabelSequences&, Index, \
                    Span<double>, SequenceView<T>);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
