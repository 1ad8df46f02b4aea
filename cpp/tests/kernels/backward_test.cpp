// The backward kernels of every instruction set of this machine: against the equations in double,
// for all options; and their bits, which may not depend on how the work is divided.

#include "kernels/host/backward.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

#include "kernels/backward_equations.hpp"
#include "runtime/flush_denormals.hpp"

namespace peephole {
namespace {

int failures = 0;

/// How threads share the recurrence: each has a range of ranks, or all have the units.
enum class Split { none, ranks, units };

template <class T>
void run_divided(const LayerBackward<T>& layer, const kernels::PackedBackward<T>& packed,
                 kernels::BackwardWorkspace<T>& workspace, Split split, int parts) {
  const Index B = layer.schedule.batch();
  const auto pass = kernels::prepare_backward(layer, packed, workspace, parts);
  Barrier barrier(parts), team_barrier(parts);
  const auto run = [&](int part) {
    const FlushDenormals flush;
    for (Index chunk = 0; chunk < pass.chunk_count; ++chunk) {
      if (split == Split::ranks) {
        const kernels::RankRange ranks = {B * part / parts, B * (part + 1) / parts};
        kernels::run_recurrence(pass, packed.isa(), chunk, ranks);
      } else {
        const kernels::TeamPart team = {part, parts, &Barrier::wait, &team_barrier};
        kernels::run_recurrence(pass, packed.isa(), chunk, {0, B}, team);
      }
      barrier.wait();
      for (Index share = part; share < kernels::product_shares(pass); share += parts) {
        kernels::run_products(pass, packed.isa(), chunk, share, part);
      }
      barrier.wait();
    }
  };
  std::vector<std::thread> others;
  for (int part = 1; part < parts; ++part) others.emplace_back(run, part);
  run(0);
  for (std::thread& other : others) other.join();
}

template <class T>
Gradients<T> kernels_gradients(const Problem<T>& p, Isa isa, Split split, int parts) {
  const Index I = p.spec.input_size;
  constexpr T untouched = T(12345);
  Gradients<T> d = room(p, p.dx_stride, untouched);
  const LayerBackward<T> layer = {p.spec,
                                  p.schedule,
                                  p.direction,
                                  p.weights(),
                                  {p.x.data(), p.x_stride},
                                  {p.h.data(), p.h_stride},
                                  p.gates.data(),
                                  p.c.data(),
                                  p.initial_h.data(),
                                  p.initial_c.data(),
                                  {p.dh.data(), p.dh_stride},
                                  {p.wants_dx ? d.dx.data() : nullptr, p.dx_stride},
                                  d.dstate_h.data(),
                                  d.dstate_c.data(),
                                  d.weights(),
                                  /*accumulate=*/false,
                                  /*norm=*/{},
                                  p.clipped.empty() ? nullptr : p.clipped.data(),
                                  p.unclipped.data()};
  kernels::PackedBackward<T> packed;
  if (p.packing) {
    packed.pack(p.spec, p.weights(), isa);
  } else {
    packed.refer(p.spec, p.weights(), isa);
  }
  kernels::BackwardWorkspace<T> workspace;
  if (split == Split::none) {
    const FlushDenormals flush;
    kernels::backward(layer, packed, workspace);
  } else {
    run_divided(layer, packed, workspace, split, parts);
  }

  if (!p.wants_dx) return d;
  std::vector<T> dx;
  for (Index row = 0; row < p.schedule.packed_rows(); ++row) {
    const auto from = d.dx.begin() + row * p.dx_stride;
    dx.insert(dx.end(), from, from + I);
    failures += std::count(from + I, from + p.dx_stride, untouched) != p.dx_stride - I;
  }
  d.dx = dx;
  return d;
}

template <class T>
void print(const Problem<T>& p, Isa isa) {
  std::printf(
      "%s, %zu bytes, I %td H %td P %td B %td N %td peephole %d packing %d: ", to_string(isa),
      sizeof(T), p.spec.input_size, p.spec.hidden_size, p.spec.recurrent_size(), p.schedule.batch(),
      p.schedule.packed_rows(), static_cast<int>(p.spec.peephole), p.packing);
}

// Relative to the largest value of an array.
template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 2e-5 : 1e-12;

template <class T>
double error(const std::vector<T>& got, const std::vector<double>& expected) {
  if (got.size() != expected.size()) return INFINITY;
  double largest = 1e-30, worst = 0;
  for (double e : expected) largest = std::fmax(largest, std::fabs(e));
  for (std::size_t k = 0; k < got.size(); ++k) {
    const double e = std::fabs(static_cast<double>(got[k]) - expected[k]);
    if (!(e <= worst)) worst = e;
  }
  return worst / largest;
}

template <class T>
void check(const Problem<T>& p, const Gradients<double>& expected, Isa isa) {
  const Gradients<T> got = kernels_gradients(p, isa, Split::none, 1);
  const int before = failures;
  const auto compare = [&](const char* name, const std::vector<T>& a,
                           const std::vector<double>& b) {
    const double e = error(a, b);
    if (e <= kTolerance<T>) return;
    ++failures;
    print(p, isa);
    std::printf("%s: error %g\n", name, e);
  };
  compare("dx", got.dx, expected.dx);
  compare("dstate_h", got.dstate_h, expected.dstate_h);
  compare("dstate_c", got.dstate_c, expected.dstate_c);
  compare("weight_ih", got.weight_ih, expected.weight_ih);
  compare("weight_hh", got.weight_hh, expected.weight_hh);
  compare("weight_ch", got.weight_ch, expected.weight_ch);
  compare("bias", got.bias, expected.bias);
  compare("weight_hr", got.weight_hr, expected.weight_hr);
  if (failures > before) return;

  const auto same = [&](const char* what, Split split, int parts) {
    if (kernels_gradients(p, isa, split, parts) == got) return;
    ++failures;
    print(p, isa);
    std::printf("other bits %s\n", what);
  };
  same("again", Split::none, 1);
  same("by ranks on 2 threads", Split::ranks, 2);
  same("by ranks on 3 threads", Split::ranks, 3);
  same("by units on 2 threads", Split::units, 2);
  same("by units on 3 threads", Split::units, 3);
}

/// By every instruction set: the equations take longer than all of them together.
template <class T>
void check(const Problem<T>& p) {
  const Gradients<double> expected = Equations<T>(p).run();
  for (Isa isa : available_isas()) check(p, expected, isa);
}

// Sanitizers make everything tens of times slower; what they look for shows in fewer problems.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kTrials = 40;
constexpr Index kSeveralChunks[] = {100};
constexpr Index kLong = 300;
constexpr Peephole kPeepholes[] = {Peephole::dense};
#else
constexpr int kTrials = 250;
constexpr Index kSeveralChunks[] = {1, 20, 64, 100};
constexpr Index kLong = 1500;
constexpr Peephole kPeepholes[] = {Peephole::none, Peephole::diagonal, Peephole::dense};
#endif

template <class T>
void check() {
  Random random(3);
  for (int trial = 0; trial < kTrials; ++trial) {
    const Index batch = pick(random, 0, 3) == 0 ? 1 : pick(random, 0, 20);
    check(random_problem<T>(random, random_layer(random), batch, pick(random, 0, 12)));
  }
  for (int trial = 0; trial < 20; ++trial) {
    check(random_problem<T>(random, random_layer(random), 1, 1));
  }
  for (Index H : kSeveralChunks) {
    const LayerSpec spec = resized(random_layer(random), H);
    check(random_problem<T>(random, spec, 7, 200));
    check(random_problem<T>(random, spec, 1, kLong));
  }
  // Weights, and da, that are taken in blocks.
  for (Peephole peephole : kPeepholes) {
    LayerSpec large = resized(random_layer(random), 420);
    large.input_size = 270, large.peephole = peephole;
    check(random_problem<T>(random, large, 16, 6));
    large.projection_size = 300;
    check(random_problem<T>(random, large, 16, 6));
    check(random_problem<T>(random, large, 1, 6));
  }
  // da in panels, for some chunks and for one, and for one row at a time.
  for (Peephole peephole : kPeepholes) {
    LayerSpec lines = resized(random_spec(random, 80, 150), 96);
    lines.input_size = 180, lines.peephole = peephole;
    check(random_problem<T>(random, lines, 7, 90));
    check(random_problem<T>(random, lines, 1, 20));
    lines.input_size = 130, lines.hidden_size = 272;
    check(random_problem<T>(random, lines, 16, 3));
  }
}

}  // namespace
}  // namespace peephole

int main() {
  peephole::check<float>();
  peephole::check<double>();
  std::printf("%d failures\n", peephole::failures);
  return peephole::failures == 0 ? 0 : 1;
}
