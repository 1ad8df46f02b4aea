// The backward kernels of every instruction set of this machine: against the equations in double,
// for all options; and their bits, which may not depend on how the work is divided.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "kernels/backward.hpp"
#include "kernels/flush_denormals.hpp"
#include "kernels_layer.hpp"

namespace peephole {
namespace {

int failures = 0;

/// At a, by y = activate(a).
double derivative(Activation activation, double y) {
  switch (activation) {
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    case Activation::identity: return 1;
    case Activation::relu: return y > 0 ? 1 : 0;
    case Activation::softsign: return (1 - std::fabs(y)) * (1 - std::fabs(y));
    case Activation::softplus: return -std::expm1(-y);
    case Activation::hard_sigmoid: return y > 0 && y < 1 ? 0.2 : 0;
    case Activation::one: break;
  }
  return 0;
}

/// A layer and what a forward pass left behind. Its values are drawn at random: backward is a
/// function of them, whether or not a forward pass gives them.
template <class T>
struct Problem : LayerValues<T> {
  LayerSpec spec;
  Direction direction;
  bool packing, wants_dx;
  Schedule schedule;
  Index x_stride, h_stride, dh_stride, dx_stride;
  std::vector<T> x, h, gates, c, initial_h, initial_c, dh, dstate_h, dstate_c;
};

LayerSpec random_layer(Random& random) {
  const Index I = pick(random, 0, 1) == 0 ? pick(random, 1, 9) : pick(random, 1, 80);
  const Index H = pick(random, 0, 2) == 0 ? pick(random, 1, 8) : pick(random, 1, 150);
  return random_spec(random, I, H);
}

template <class T>
Problem<T> random_problem(Random& random, const LayerSpec& spec, Index batch, Index time) {
  const Index I = spec.input_size, H = spec.hidden_size;
  Problem<T> p;
  p.spec = spec;
  p.direction = static_cast<Direction>(pick(random, 0, 1));
  p.packing = pick(random, 0, 3) != 0;
  p.wants_dx = pick(random, 0, 3) != 0;
  std::vector<Index> lengths;
  const bool ragged = pick(random, 0, 1) == 0;
  for (Index b = 0; b < batch; ++b) lengths.push_back(ragged ? pick(random, 0, time) : time);
  p.schedule.assign(batch, time, {lengths.data(), batch});
  p.randomise(random, spec);
  const Index N = p.schedule.packed_rows();
  p.x_stride = I + pick(random, 0, 1) * 3;
  p.h_stride = pick(random, 0, 1) == 0 ? H : 2 * H;
  p.dh_stride = H + pick(random, 0, 1) * H;
  p.dx_stride = I + pick(random, 0, 1) * 2;
  p.x = uniform<T>(random, N * p.x_stride, -1, 1);
  p.h = uniform<T>(random, N * p.h_stride, -1, 1);
  p.gates = uniform<T>(random, N * kGates * H, -.2, .9);
  p.c = uniform<T>(random, N * H, -1, 1);
  p.initial_h = uniform<T>(random, batch * H, -1, 1);
  p.initial_c = uniform<T>(random, batch * H, -1, 1);
  p.dh = uniform<T>(random, N * p.dh_stride, -1, 1);
  p.dstate_h = uniform<T>(random, batch * H, -1, 1);
  p.dstate_c = uniform<T>(random, batch * H, -1, 1);
  return p;
}

/// dx (N, I) and the others as in LayerBackward.
template <class T>
struct Gradients : LayerValues<T> {
  std::vector<T> dx, dstate_h, dstate_c;

  template <class F>
  static void for_each(const F& f) {
    f("dx", &Gradients::dx);
    f("dstate_h", &Gradients::dstate_h);
    f("dstate_c", &Gradients::dstate_c);
    f("weight_ih", &Gradients::weight_ih);
    f("weight_hh", &Gradients::weight_hh);
    f("weight_ch", &Gradients::weight_ch);
    f("bias", &Gradients::bias);
  }
  bool operator==(const Gradients& other) const {
    bool same = true;
    for_each([&](const char*, auto array) {
      const auto &a = this->*array, &b = other.*array;
      same = same && a.size() == b.size() &&
             (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
    });
    return same;
  }
};

template <class T, class U>
Gradients<U> room(const Problem<T>& p, Index dx_stride, U fill) {
  const auto like = [&](const std::vector<T>& a) { return std::vector<U>(a.size(), fill); };
  Gradients<U> d;
  if (p.wants_dx) {
    d.dx.assign(static_cast<std::size_t>(p.schedule.packed_rows() * dx_stride), fill);
  }
  d.dstate_h.assign(p.dstate_h.begin(), p.dstate_h.end());
  d.dstate_c.assign(p.dstate_c.begin(), p.dstate_c.end());
  d.weight_ih = like(p.weight_ih), d.weight_hh = like(p.weight_hh);
  d.weight_ch = like(p.weight_ch), d.bias = like(p.bias);
  return d;
}

/// The equations of one step of one sequence, unit by unit; see LayerBackward for the arrays.
template <class T>
class Equations {
 public:
  explicit Equations(const Problem<T>& p)
      : p_(p), I_(p.spec.input_size), H_(p.spec.hidden_size), d_(room(p, I_, 0.0)) {}

  const Gradients<double>& run() {
    for (Index rank = 0; rank < p_.schedule.batch(); ++rank) {
      const Index length = p_.schedule.length(rank);
      const bool forward = p_.direction == Direction::forward;
      for (Index s = 0; s < length; ++s) {
        const Index t = forward ? length - 1 - s : s;
        const Index row = p_.schedule.offset(t) + rank;
        const bool begins = s + 1 == length;
        const Index before = begins ? 0 : p_.schedule.offset(forward ? t - 1 : t + 1) + rank;
        step(rank, row, begins ? &p_.initial_h[rank * H_] : &p_.h[before * p_.h_stride],
             begins ? &p_.initial_c[rank * H_] : &p_.c[before * H_]);
      }
    }
    return d_;
  }

 private:
  double gate(Index row, Gate k, Index u) const {
    return p_.gates[(row * kGates + index(k)) * H_ + u];
  }
  /// dc += P_kᵀ da_k and dP_k += da_k cᵀ.
  void peephole(Gate k, const T* c, const std::vector<double>& da, double* dc) {
    if (!p_.spec.has_peephole(k)) return;
    for (Index u = 0; u < H_; ++u) {
      const Index row = index(k) * H_ + u;
      if (p_.spec.peephole == Peephole::diagonal) {
        dc[u] += p_.weight_ch[row] * da[row];
        d_.weight_ch[row] += da[row] * c[u];
        continue;
      }
      for (Index v = 0; v < H_; ++v) {
        dc[v] += p_.weight_ch[row * H_ + v] * da[row];
        d_.weight_ch[row * H_ + v] += da[row] * c[v];
      }
    }
  }

  void step(Index rank, Index row, const T* previous_h, const T* previous_c) {
    const LayerSpec& spec = p_.spec;
    const Activations& f = spec.activations;
    double* const dh = &d_.dstate_h[rank * H_];
    double* const dc = &d_.dstate_c[rank * H_];
    const T* const c = &p_.c[row * H_];
    std::vector<double> da(kGates * H_);
    const auto at = [&](Gate k, Index u) -> double& { return da[index(k) * H_ + u]; };
    for (Index u = 0; u < H_; ++u) {
      const double o = gate(row, Gate::output, u), h_of_c = activate(f.c, c[u]);
      dh[u] += p_.dh[row * p_.dh_stride + u];
      at(Gate::output, u) = dh[u] * h_of_c * derivative(f.o, o);
      dc[u] += dh[u] * o * derivative(f.c, h_of_c);
    }
    if (spec.output_reads_current()) peephole(Gate::output, c, da, dc);
    for (Index u = 0; u < H_; ++u) {
      const double i = gate(row, Gate::input, u), forget = gate(row, Gate::forget, u);
      const double g = gate(row, Gate::cell, u), df = dc[u] * previous_c[u];
      const double di = dc[u] * g - (spec.coupled_input_forget ? df : 0);
      at(Gate::input, u) = di * derivative(f.i, i);
      at(Gate::forget, u) = spec.coupled_input_forget ? 0 : df * derivative(f.f, forget);
      at(Gate::cell, u) = dc[u] * i * derivative(f.g, g);
      dc[u] *= forget;
    }
    for (Gate k : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
      if (k == Gate::output && spec.output_reads_current()) continue;
      peephole(k, previous_c, da, dc);
    }
    linear(row, da, previous_h, dh);
  }

  void linear(Index row, const std::vector<double>& da, const T* previous_h, double* dh) {
    std::fill_n(dh, H_, 0.0);
    for (Index m = 0; m < kGates * H_; ++m) {
      for (Index u = 0; u < H_; ++u) {
        dh[u] += p_.weight_hh[m * H_ + u] * da[m];
        d_.weight_hh[m * H_ + u] += da[m] * previous_h[u];
      }
      for (Index i = 0; i < I_; ++i) {
        if (p_.wants_dx) d_.dx[row * I_ + i] += p_.weight_ih[m * I_ + i] * da[m];
        d_.weight_ih[m * I_ + i] += da[m] * p_.x[row * p_.x_stride + i];
      }
      if (!d_.bias.empty()) d_.bias[m] += da[m];
    }
  }

  const Problem<T>& p_;
  const Index I_, H_;
  Gradients<double> d_;
};

/// Of threads that are short-lived and may be more than the machine's.
class Barrier {
 public:
  explicit Barrier(int parts) : parts_(parts) {}
  static void wait(void* barrier) { static_cast<Barrier*>(barrier)->wait(); }
  void wait() {
    const int round = round_.load();
    if (arrived_.fetch_add(1) + 1 == parts_) {
      arrived_.store(0);
      round_.fetch_add(1);
    } else {
      while (round_.load() == round) std::this_thread::yield();
    }
  }

 private:
  const int parts_;
  std::atomic<int> arrived_{0}, round_{0};
};

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
      kernels::run_products(pass, packed.isa(), chunk, part, parts);
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
                                  d.weights()};
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
  std::printf("%s, %zu bytes, I %td H %td B %td N %td peephole %d packing %d: ", to_string(isa),
              sizeof(T), p.spec.input_size, p.spec.hidden_size, p.schedule.batch(),
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
#else
constexpr int kTrials = 250;
constexpr Index kSeveralChunks[] = {1, 20, 64, 100};
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
    LayerSpec spec = random_layer(random);
    spec.hidden_size = H;
    check(random_problem<T>(random, spec, 7, 200));
    check(random_problem<T>(random, spec, 1, 1500));
  }
  // Weights, and da, that are taken in blocks.
  for (Peephole peephole : {Peephole::diagonal, Peephole::dense}) {
    LayerSpec large = random_layer(random);
    large.input_size = 270, large.hidden_size = 420, large.peephole = peephole;
    check(random_problem<T>(random, large, 16, 6));
  }
  // da in panels, for some chunks and for one, and for one row at a time.
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    LayerSpec lines = random_spec(random, 80, 150);
    lines.input_size = 180, lines.hidden_size = 96, lines.peephole = peephole;
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
