#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/cell-inl.hpp"
#include "kernels/simd/norm/statistics-inl.hpp"

/// The cells of a row whose gates' sums are complete, with layer normalisation (J. L. Ba,
/// J. R. Kiros, G. E. Hinton, 2016, arXiv:1607.06450).
namespace peephole::kernels {
namespace {

/// Where a row is: of the state, and of what is stored.
template <class T>
struct NormRow {
  T* sums;        // (panels, 4, lanes): R h, and with NormForm::products alone not W x; replaced
  const T* of_x;  // (panels, 4, lanes): W x, with products
  T* state_h;     // (H,), read before and written now
  T* state_c;
  T* h;           // (H,)
  T* c;           // (H,), or null
  T* gates;       // (4, H), or null
  T* normalised;  // (4H or 8H,), or null
  T* scales;      // (4 or 2,), or null
};

template <class V, class Sigma>
class NormCells {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;

 public:
  explicit NormCells(const ForwardTask<T>& task)
      : task_(task),
        w_(task.weights),
        sigma_(task),
        vectors_(task.hidden_size),
        form_(task.norm.form),
        epsilon_(static_cast<T>(form_.epsilon)),
        c_(task.norm.c),
        waits_(task.output_reads_current) {}

  [[gnu::noinline]] void finish(const NormRow<T>& row) const {
    if (form_.products) {
      products(row);
    } else {
      gates(row);
    }
    if (form_.of_state) normalise_state();
    if (waits_) output_gate(row);
    Statistics<V> of_c = {};
    if (form_.of_output) of_c = state_statistics();
    vectors_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const V c = V::load(c_ + at);
      const V read = form_.of_output ? shifted(of_c, c, at) : c;
      const V slot = V::load(sum(row, kOutput, at));
      V o, h;
      if (waits_) {
        o = slot;
        h = sigma_.c(read) * o;
      } else {
        const Cell<V> y = sigma_.close(OpenCell<V>{read, read, read, read, slot});
        o = y.o;
        h = y.h;
      }
      vectors_.store(h, row.state_h + at, whole);
      vectors_.store(h, row.h + at, whole);
      vectors_.store(c, row.state_c + at, whole);
      if (row.gates == nullptr) return;
      vectors_.store(c, row.c + at, whole);
      vectors_.store(o, row.gates + kOutput * task_.hidden_size + at, whole);
    });
  }

 private:
  /// A gate's sums of the vector of units from `at` on: a panel.
  static T* sum(const NormRow<T>& row, int gate, Index at) {
    return row.sums + at * kGates + gate * kLanes;
  }
  /// Weights in panels, of the same place.
  static V weight(const T* panels, int gate, Index at) {
    return V::load(panels + at * kGates + gate * kLanes);
  }
  bool has_peephole(int gate) const { return (task_.peephole_gates >> gate & 1u) != 0; }

  template <bool kWhole>
  void keep(V normalised, const NormRow<T>& row, Index at, Bool<kWhole> whole) const {
    if (row.normalised != nullptr) vectors_.store(normalised, row.normalised + at, whole);
  }
  void keep_scale(const Statistics<V>& of, const NormRow<T>& row, int group) const {
    if (row.scales != nullptr) row.scales[group] = of.scale;
  }

  /// a_k = γ_k ⊙ LN(W_k x + R_k h + P_k c) + b_k, and what follows up to c_t. An output gate that
  /// reads c_t waits.
  void gates(const NormRow<T>& row) const {
    if (task_.peephole_gates != 0) add_peepholes(row);
    Statistics<V> of[kGates];
    const auto load = [&](int gate, Index at, auto)
                          __attribute__((always_inline)) { return V::load(sum(row, gate, at)); };
    gate_statistics(vectors_, epsilon_, load, of);
    for (int gate = 0; gate < kGates - (waits_ ? 1 : 0); ++gate) keep_scale(of[gate], row, gate);
    vectors_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const auto a = [&](int gate, V) __attribute__((always_inline)) -> V {
        if (gate == kOutput && waits_) return V::zero();
        const V normalised = of[gate].apply(V::load(sum(row, gate, at)));
        keep(normalised, row, gate * task_.hidden_size + at, whole);
        return fma(normalised, weight(w_.norm.gain, gate, at), weight(w_.norm.shift, gate, at));
      };
      open(row, a, at, whole);
    });
  }

  /// z_k += P_k c_{t-1}
  void add_peepholes(const NormRow<T>& row) const {
    vectors_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const V c = vectors_.load(row.state_c + at, whole);
      for (int gate = 0; gate < kGates; ++gate) {
        if (!has_peephole(gate) || (gate == kOutput && waits_)) continue;
        T* const z = sum(row, gate, at);
        fma(weight(w_.diagonal, gate, at), c, V::load(z)).store(z);
      }
    });
  }

  /// a = γ_x ⊙ LN(W x) + γ_h ⊙ LN(R h) + P c + b, and what follows up to c_t. What an output gate
  /// that reads c_t has without it stays among the sums.
  void products(const NormRow<T>& row) const {
    const auto load_h = [&](int gate, Index at, auto)
                            __attribute__((always_inline)) { return V::load(sum(row, gate, at)); };
    const auto load_x = [&](int gate, Index at, auto)
                            __attribute__((always_inline)) { return weight(row.of_x, gate, at); };
    const Statistics<V> of_x = joint_statistics(vectors_, epsilon_, load_x);
    const Statistics<V> of_h = joint_statistics(vectors_, epsilon_, load_h);
    keep_scale(of_x, row, 0);
    keep_scale(of_h, row, 1);
    const Index H = task_.hidden_size;
    vectors_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const auto a = [&](int gate, V c) __attribute__((always_inline)) -> V {
        const V x = of_x.apply(load_x(gate, at, whole)), h = of_h.apply(load_h(gate, at, whole));
        keep(x, row, gate * H + at, whole);
        keep(h, row, (kGates + gate) * H + at, whole);
        const V of_both =
            fma(h, weight(w_.norm.gain_hh, gate, at),
                fma(x, weight(w_.norm.gain, gate, at), weight(w_.norm.shift, gate, at)));
        if (gate == kOutput && waits_) {
          of_both.store(sum(row, gate, at));
          return of_both;
        }
        return has_peephole(gate) ? fma(weight(w_.diagonal, gate, at), c, of_both) : of_both;
      };
      open(row, a, at, whole);
    });
  }

  /// i, f, g and c = f ⊙ c_{t-1} + g ⊙ i of one vector; o, or what it is made of, replaces its sums
  /// unless it waits. a(gate, c): the activation's argument.
  template <class A, bool kWhole>
  [[gnu::always_inline]] void open(const NormRow<T>& row, const A& a, Index at,
                                   Bool<kWhole> whole) const {
    const V previous = vectors_.load(row.state_c + at, whole);
    // What is normalised of a coupled f is kept too: its gradient follows from the other values.
    if (task_.coupled_input_forget) a(kForget, previous);
    const OpenCell<V> y = sigma_.open(a, previous, false);
    if (!waits_) y.o.store(sum(row, kOutput, at));
    vectors_.masked(y.c, whole).store(c_ + at);
    if (row.gates == nullptr) return;
    T* const gates = row.gates + at;
    vectors_.store(y.i, gates + kInput * task_.hidden_size, whole);
    vectors_.store(y.f, gates + kForget * task_.hidden_size, whole);
    vectors_.store(y.g, gates + kCell * task_.hidden_size, whole);
  }

  Statistics<V> state_statistics() const {
    return statistics(vectors_, epsilon_, [&](Index at, auto) __attribute__((always_inline)) {
      return V::load(c_ + at);
    });
  }
  V shifted(const Statistics<V>& of, V c, Index at) const {
    return fma(of.apply(c), V::load(w_.norm.gain_c + at), V::load(w_.norm.shift_c + at));
  }

  /// c_t = γ_c ⊙ LN(c) + β_c
  void normalise_state() const {
    const Statistics<V> of = state_statistics();
    vectors_.each([&](Index at, auto) __attribute__((always_inline)) {
      shifted(of, V::load(c_ + at), at).store(c_ + at);
    });
  }

  /// o, from the gate's sums without the peephole, and c_t.
  void output_gate(const NormRow<T>& row) const {
    const auto with_peephole = [&](Index at) __attribute__((always_inline)) {
      return fma(weight(w_.diagonal, kOutput, at), V::load(c_ + at),
                 V::load(sum(row, kOutput, at)));
    };
    if (form_.products) {
      vectors_.each(
          [&](Index at, auto) { sigma_.o(with_peephole(at)).store(sum(row, kOutput, at)); });
      return;
    }
    vectors_.each([&](Index at, auto) { with_peephole(at).store(sum(row, kOutput, at)); });
    const Statistics<V> of =
        statistics(vectors_, epsilon_, [&](Index at, auto) __attribute__((always_inline)) {
          return V::load(sum(row, kOutput, at));
        });
    keep_scale(of, row, kOutput);
    vectors_.each([&](Index at, auto whole) {
      const V normalised = of.apply(V::load(sum(row, kOutput, at)));
      keep(normalised, row, kOutput * task_.hidden_size + at, whole);
      const V a =
          fma(normalised, weight(w_.norm.gain, kOutput, at), weight(w_.norm.shift, kOutput, at));
      sigma_.o(a).store(sum(row, kOutput, at));
    });
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const Sigma sigma_;
  const Vectors<V> vectors_;
  const NormForm form_;
  const T epsilon_;
  T* const c_;
  const bool waits_;
};

}  // namespace
}  // namespace peephole::kernels
