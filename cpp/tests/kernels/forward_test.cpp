// The forward kernels of every instruction set of this machine: against the equations in double,
// for all options; and their bits, which may not depend on batch, chunks, ranges or threads.

#include "kernels/host/forward.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

#include "kernels/forward_problem.hpp"
#include "runtime/flush_denormals.hpp"
#include "support/check.hpp"

namespace peephole {
namespace {

/// How a batch is divided: into ranges of ranks that end at `ends`, each computed by a team.
struct Division {
  std::vector<Index> ends;
  int parts;
};

template <class T>
std::vector<Result<T>> kernels_results(const Problem<T>& p, Isa isa, const Division& division) {
  const Index I = p.spec.input_size, H = p.spec.hidden_size, B = p.batch();
  Index time = 0;
  for (Index length : p.lengths) time = length > time ? length : time;
  Schedule schedule;
  schedule.assign(B, time, {p.lengths.data(), B});
  const Index N = schedule.packed_rows(), x_stride = I + 3, h_stride = 2 * H + 1;
  constexpr T untouched = T(12345);
  std::vector<T> x(N * x_stride), h(N * h_stride, untouched), gates(p.training ? N * 4 * H : 0),
      c(p.training ? N * H : 0), state_h(B * H), state_c(B * H);
  const bool notes = p.training && p.spec.clips_preactivations();
  std::vector<T> clipped(notes ? N * H : 0, untouched);
  const auto packed_row = [&](Index t, Index rank) { return schedule.offset(t) + rank; };
  for (Index r = 0; r < B; ++r) {
    const Index b = schedule.sequence(r);
    for (Index t = 0; t < p.lengths[b]; ++t) {
      std::copy_n(p.x[b].begin() + t * I, I, x.begin() + packed_row(t, r) * x_stride);
    }
    std::copy_n(p.h.begin() + b * H, H, state_h.begin() + r * H);
    std::copy_n(p.c.begin() + b * H, H, state_c.begin() + r * H);
  }

  const LayerForward<T> layer = {p.spec,
                                 schedule,
                                 p.direction,
                                 p.weights(),
                                 {x.data(), x_stride},
                                 {h.data(), h_stride},
                                 p.training ? gates.data() : nullptr,
                                 p.training ? c.data() : nullptr,
                                 state_h.data(),
                                 state_c.data(),
                                 {},
                                 notes ? clipped.data() : nullptr};
  kernels::PackedForward<T> packed;
  packed.pack(p.spec, p.weights(), isa);
  kernels::ForwardWorkspace<T> workspace;
  Index begin = 0;
  for (Index end : division.ends) {
    const auto pass = kernels::prepare_forward(layer, packed, workspace, {begin, end});
    Barrier barrier(division.parts);
    std::vector<std::thread> others;
    const auto run = [&](int part) {
      const FlushDenormals flush;
      kernels::run_forward(pass, isa, {part, division.parts, &Barrier::wait, &barrier});
    };
    for (int part = 1; part < division.parts; ++part) others.emplace_back(run, part);
    run(0);
    for (std::thread& other : others) other.join();
    begin = end;
  }

  std::vector<Result<T>> results(static_cast<std::size_t>(B));
  for (Index r = 0; r < B; ++r) {
    const Index b = schedule.sequence(r);
    Result<T>& y = results[b];
    for (Index t = 0; t < p.lengths[b]; ++t) {
      const Index row = packed_row(t, r);
      y.h.insert(y.h.end(), &h[row * h_stride], &h[row * h_stride] + H);
      CHECK(h[row * h_stride + H] == untouched && h[row * h_stride + 2 * H] == untouched);
      if (!p.training) continue;
      y.gates.insert(y.gates.end(), &gates[row * 4 * H], &gates[row * 4 * H] + 4 * H);
      y.c.insert(y.c.end(), &c[row * H], &c[row * H] + H);
      if (notes) y.clipped.insert(y.clipped.end(), &clipped[row * H], &clipped[row * H] + H);
    }
    y.final_h.assign(state_h.begin() + r * H, state_h.begin() + (r + 1) * H);
    y.final_c.assign(state_c.begin() + r * H, state_c.begin() + (r + 1) * H);
  }
  return results;
}

template <class T>
std::vector<Result<T>> kernels_results(const Problem<T>& p, Isa isa) {
  return kernels_results(p, isa, {{p.batch()}, 1});
}

template <class T>
double error(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double e = std::fabs(double(a[k]) - double(b[k])) / std::fmax(1, std::fabs(double(b[k])));
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

// Some draws of unbounded activations grow from step to step, and rounding errors with them.
constexpr double kContracting = 100;

template <class T>
double largest(const std::vector<Result<T>>& results) {
  double largest = 0;
  for (const Result<T>& y : results) {
    for (T c : y.final_c) largest = std::fmax(largest, std::fabs(static_cast<double>(c)));
    for (T h : y.final_h) largest = std::fmax(largest, std::fabs(static_cast<double>(h)));
  }
  return largest;
}

// Relative to values of at least 1, over the steps of a random problem.
template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;

template <class T>
std::string describe(const Problem<T>& p, Isa isa) {
  return std::string(to_string(isa)) + ", " + std::to_string(sizeof(T)) + " bytes, I " +
         std::to_string(p.spec.input_size) + ", H " + std::to_string(p.spec.hidden_size) + ", B " +
         std::to_string(p.batch()) + ", peephole " +
         std::to_string(static_cast<int>(p.spec.peephole));
}

template <class T>
void check_equations(const Problem<T>& p, Isa isa) {
  const auto expected = equations(p), got = kernels_results(p, isa);
  double worst = 0;
  for (std::size_t b = 0; b < got.size(); ++b) {
    for (auto array : {&Result<T>::h, &Result<T>::gates, &Result<T>::c, &Result<T>::final_h,
                       &Result<T>::final_c}) {
      const double e = error(got[b].*array, expected[b].*array);
      if (!(e <= worst)) worst = e;
    }
  }
  if (largest(expected) > kContracting) return;
  for (std::size_t b = 0; b < got.size(); ++b) {
    const std::vector<T>&noted = got[b].clipped, &wanted = expected[b].clipped;
    CHECK(noted.size() == wanted.size());
    for (std::size_t k = 0; k < noted.size() && k < wanted.size(); ++k) {
      CHECK(noted[k] == wanted[k] || wanted[k] == T(kUndecided));
    }
  }
  check::note(
      worst <= kTolerance<T>, __FILE__, __LINE__,
      describe(p, isa) + ": error " + std::to_string(worst / kTolerance<T>) + " of the tolerance");
}

/// Sequence b alone, its first steps to be computed in one call and the others in a second.
template <class T>
Result<T> alone_in_chunks(const Problem<T>& p, Index b, Index first, Isa isa) {
  const Index I = p.spec.input_size, H = p.spec.hidden_size, length = p.lengths[b];
  const bool forward = p.direction == Direction::forward;
  const Index cut = forward ? first : length - first;
  Problem<T> early = p, late = p;
  early.lengths = {cut}, late.lengths = {length - cut};
  early.x = {{p.x[b].begin(), p.x[b].begin() + cut * I}};
  late.x = {{p.x[b].begin() + cut * I, p.x[b].end()}};
  Problem<T>& begin = forward ? early : late;
  Problem<T>& end = forward ? late : early;
  begin.h.assign(p.h.begin() + b * H, p.h.begin() + (b + 1) * H);
  begin.c.assign(p.c.begin() + b * H, p.c.begin() + (b + 1) * H);
  const Result<T> one = kernels_results(begin, isa)[0];
  end.h = one.final_h, end.c = one.final_c;
  Result<T> two = kernels_results(end, isa)[0];
  const auto join = [&](std::vector<T>& to, const std::vector<T>& from) {
    to.insert(forward ? to.begin() : to.end(), from.begin(), from.end());
  };
  join(two.h, one.h), join(two.gates, one.gates), join(two.c, one.c);
  join(two.clipped, one.clipped);
  return two;
}

template <class T>
void check_bits(Random& random, const Problem<T>& p, Isa isa) {
  const auto whole = kernels_results(p, isa);
  const auto check_same = [&](bool same, const char* what) {
    check::note(same, __FILE__, __LINE__, describe(p, isa) + ": other bits " + what);
  };
  for (Index b = 0; b < p.batch(); ++b) {
    const Index first = pick(random, 0, p.lengths[b]);
    check_same(alone_in_chunks(p, b, first, isa) == whole[b], "alone, in two chunks");
  }
  Division ranges = {{}, 1};
  for (Index end = 0; end < p.batch();) {
    end += pick(random, 1, p.batch() - end);
    ranges.ends.push_back(end);
  }
  check_same(kernels_results(p, isa, ranges) == whole, "in ranges of ranks");
  for (int parts : {2, 3}) {
    check_same(kernels_results(p, isa, {{p.batch()}, parts}) == whole, "on threads by units");
  }
}

template <class T>
void check_all(Isa isa) {
  Random random(2);
  for (int trial = 0; trial < 150; ++trial) {
    const Index batch = pick(random, 0, 3) == 0 ? 1 : pick(random, 0, 20);
    const auto p = random_problem<T>(random, random_layer(random), batch, pick(random, 0, 12));
    check_equations(p, isa);
    check_bits(random, p, isa);
  }
  // Weights beyond any L2, taken in blocks; and chunks of x that do not hold all steps.
  LayerSpec large = random_layer(random);
  large.input_size = 300, large.hidden_size = 600, large.peephole = Peephole::diagonal;
  check_bits(random, random_problem<T>(random, large, 14, 2), isa);
  LayerSpec small = random_layer(random);
  small.hidden_size = 20;
  check_bits(random, random_problem<T>(random, small, 4, 120), isa);
}

}  // namespace
}  // namespace peephole

int main() {
  for (peephole::Isa isa : peephole::available_isas()) {
    peephole::check_all<float>(isa);
    peephole::check_all<double>(isa);
  }
  return check::report();
}
