#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/cell-inl.hpp"
#include "kernels/simd/backward/tile-inl.hpp"
#include "kernels/simd/norm/statistics-inl.hpp"

/// From the gradients of a row's h_t and c_t to those of its gates' sums, through layer
/// normalisation.
namespace peephole::kernels {
namespace {

/// The gradient of z, from that of a = γ ⊙ LN(z) + β:
///
///     d = γ ⊙ da          dz = (d - mean d - LN(z) mean(d ⊙ LN(z))) scale
///
/// put(at, dz, whole) stores a vector.
template <class V, class Put, class T = typename V::Scalar>
[[gnu::always_inline]] inline void norm_gradient(const Vectors<V>& vectors, const T* da,
                                                 const T* gain, const T* normalised, T scale,
                                                 const Put& put) {
  V total = V::zero(), along = V::zero();
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
    const V d = vectors.load(gain + at, whole) * vectors.load(da + at, whole);
    total = total + d;
    along = fma(d, vectors.load(normalised + at, whole), along);
  });
  const V mean = V::broadcast(sum(total) / vectors.size());
  const V share = V::broadcast(sum(along) / vectors.size()), scales = V::broadcast(scale);
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
    const V d = vectors.load(gain + at, whole) * vectors.load(da + at, whole);
    const V dz = fnma(vectors.load(normalised + at, whole), share, d - mean) * scales;
    put(at, dz, whole);
  });
}

template <class V, class Derivatives>
class NormGradient {
  using T = typename V::Scalar;

 public:
  NormGradient(const BackwardTask<T>& task, const BackwardChunk& chunk)
      : task_(task),
        norm_(task.norm),
        chunk_(chunk),
        derivatives_(task),
        hidden_(task.hidden_size),
        units_(hidden_),
        gates_(kGates * hidden_),
        epsilon_(static_cast<T>(norm_.form.epsilon)),
        waits_(task.output_reads_current) {}

  /// dh and dc (H,): gradients of h_t from the step after, and of c_t, which becomes that of
  /// c_{t-1}.
  [[gnu::noinline]] void compute(Index packed, const T* dh, T* dc) const {
    const Row row(*this, packed, dc);
    const T output_scale = of_output(row, dh);
    if (norm_.form.of_output) through_output_norm(row, output_scale);
    if (waits_) through_output_gate(row);
    if (norm_.form.of_state) through_state_norm(row);
    of_state(row);
    if (norm_.form.products) {
      through_product_norms(row);
    } else {
      for (int gate = 0; gate < kGates - (waits_ ? 1 : 0); ++gate) through_gate_norm(row, gate);
    }
    add_peepholes(row);
  }

 private:
  struct Row {
    SavedRow<T> saved;
    const T* above;       // gradient of h_t from the layer above
    const T* normalised;  // (4H or 8H,)
    const T* scales;      // (4 or 2,)
    T* dc;                // (H,)
    T* da;                // (4H,) after normalisation
    T* dz;                // among the task's da
    T* of_c;              // (H,): gradient of c after its normalisation
    T* c;                 // (H,): LN(c)
    T* dz_h;              // the same of R h, with products
    const T* previous_c;

    Row(const NormGradient& of, Index packed, T* dc_state) : saved(of.task_, packed, 0) {
      const BackwardTask<T>& task = of.task_;
      const NormBackward<T>& norm = of.norm_;
      const Index H = of.hidden_, in_chunk = packed - of.chunk_.row;
      above = task.dh + packed * task.dh_stride;
      normalised = norm.normalised + packed * (norm.form.products ? 2 : 1) * kGates * H;
      scales = norm.scales + packed * (norm.form.products ? 2 : Index{kGates});
      dc = dc_state;
      da = norm.da + in_chunk * norm.da_stride;
      dz = task.da.data + in_chunk * task.da.row_stride;
      of_c = norm.dc + in_chunk * H;
      c = norm.normalised_c + in_chunk * H;
      dz_h = norm.da_h + in_chunk * task.da.row_stride;
      previous_c = saved.previous_c;
    }
  };

  const T* gate(const Row& row, int which) const { return row.saved.gates + which * hidden_; }
  bool has_peephole(int which) const { return (task_.diagonal_gates >> which & 1u) != 0; }
  const T* peephole(int which) const { return task_.weights.diagonal + which * hidden_; }

  /// LN(c) of what load(at, whole) returns, into the row's c; returns its scale.
  template <class Load>
  [[gnu::always_inline]] T normalise(const Row& row, const Load& load) const {
    const Statistics<V> of = statistics(units_, epsilon_, load);
    units_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      units_.store(of.apply(load(at, whole)), row.c + at, whole);
    });
    return of.scale;
  }
  template <class Whole>
  [[gnu::always_inline]] V shifted(const Row& row, Index at, Whole whole) const {
    return fma(units_.load(row.c + at, whole), units_.load(norm_.gain_c + at, whole),
               units_.load(norm_.shift_c + at, whole));
  }

  /// do = dh ⊙ h(c_t)   da_o = do ⊙ σ_o'(a_o)   and what dh ⊙ o ⊙ h'(c_t) adds to dc, or with
  /// LayerNormCell::output to the gradient of what h reads; returns the scale of its LN then.
  T of_output(const Row& row, const T* dh) const {
    const bool normalises = norm_.form.of_output;
    T scale = 0;
    if (normalises) {
      scale = normalise(row, [&](Index at, auto whole) __attribute__((always_inline)) {
        return units_.load(row.saved.c + at, whole);
      });
    }
    units_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const V c = normalises ? shifted(row, at, whole) : units_.load(row.saved.c + at, whole);
      const V h = derivatives_.h_of(c), o = units_.load(gate(row, kOutput) + at, whole);
      const V d = units_.load(dh + at, whole) + units_.load(row.above + at, whole);
      units_.store(d * (h * derivatives_.o(o)), row.da + kOutput * hidden_ + at, whole);
      const V of_read = d * (o * derivatives_.h(h));
      if (normalises) {
        units_.store(of_read, row.of_c + at, whole);
      } else {
        units_.store(units_.load(row.dc + at, whole) + of_read, row.dc + at, whole);
      }
    });
    return scale;
  }

  /// dc += the gradient of c_t through γ_c ⊙ LN(c_t) + β_c.
  void through_output_norm(const Row& row, T scale) const {
    norm_gradient(units_, row.of_c, norm_.gain_c, row.c, scale,
                  [&](Index at, V dz, auto whole) __attribute__((always_inline)) {
                    units_.store(units_.load(row.dc + at, whole) + dz, row.dc + at, whole);
                  });
  }

  /// dc += P_o ⊙ da_o, or the gradient of what is normalised with P_o c_t.
  void through_output_gate(const Row& row) const {
    if (!norm_.form.products) through_gate_norm(row, kOutput);
    add_peephole(row, kOutput);
  }

  /// dc, the gradient of c_t = γ_c ⊙ LN(f ⊙ c_{t-1} + g ⊙ i) + β_c, becomes that of the sum.
  void through_state_norm(const Row& row) const {
    const T scale = normalise(row, [&](Index at, auto whole) __attribute__((always_inline)) {
      const V gi =
          units_.load(gate(row, kCell) + at, whole) * units_.load(gate(row, kInput) + at, whole);
      return fma(units_.load(gate(row, kForget) + at, whole),
                 units_.load(row.previous_c + at, whole), gi);
    });
    units_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      units_.store(units_.load(row.dc + at, whole), row.of_c + at, whole);
    });
    norm_gradient(units_, row.of_c, norm_.gain_c, row.c, scale,
                  [&](Index at, V dz, auto whole)
                      __attribute__((always_inline)) { units_.store(dz, row.dc + at, whole); });
  }

  /// di = dc ⊙ g   df = dc ⊙ c_{t-1}   dg = dc ⊙ i, times the derivatives; dc_{t-1} = dc ⊙ f.
  void of_state(const Row& row) const {
    PeepholeForm none(task_);  // they follow when da has gone through its normalisation
    none.diagonal = false;
    units_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      Saved<V> y;
      y.i = units_.load(gate(row, kInput) + at, whole);
      y.f = units_.load(gate(row, kForget) + at, whole);
      y.g = units_.load(gate(row, kCell) + at, whole);
      y.o = y.c = y.g;  // not read
      y.previous_c = units_.load(row.previous_c + at, whole);
      CellGradient<V> result = {};
      result.dc = units_.load(row.dc + at, whole);
      state_gradient(none, derivatives_, y, Diagonal<V>{}, result);
      units_.store(result.da_i, row.da + kInput * hidden_ + at, whole);
      units_.store(result.da_f, row.da + kForget * hidden_ + at, whole);
      units_.store(result.da_g, row.da + kCell * hidden_ + at, whole);
      units_.store(result.dc, row.dc + at, whole);
    });
  }

  void through_gate_norm(const Row& row, int which) const {
    const Index first = which * hidden_;
    norm_gradient(units_, row.da + first, norm_.gain + first, row.normalised + first,
                  row.scales[which],
                  [&](Index at, V dz, auto whole) __attribute__((always_inline)) {
                    units_.store(dz, row.dz + offset(task_.da, first + at), whole);
                  });
  }

  void through_product_norms(const Row& row) const {
    norm_gradient(gates_, row.da, norm_.gain, row.normalised, row.scales[0],
                  [&](Index at, V dz, auto whole) __attribute__((always_inline)) {
                    gates_.store(dz, row.dz + offset(task_.da, at), whole);
                  });
    norm_gradient(gates_, row.da, norm_.gain_hh, row.normalised + kGates * hidden_, row.scales[1],
                  [&](Index at, V dz, auto whole) __attribute__((always_inline)) {
                    gates_.store(dz, row.dz_h + offset(task_.da, at), whole);
                  });
  }

  void add_peepholes(const Row& row) const {
    for (int which = 0; which < kGates; ++which) {
      if (has_peephole(which) && !(which == kOutput && waits_)) add_peephole(row, which);
    }
  }

  /// dc += P_k ⊙ the gradient of what P_k c is a part of.
  void add_peephole(const Row& row, int which) const {
    const T* const da = row.da + which * hidden_;
    units_.each([&](Index at, auto whole) __attribute__((always_inline)) {
      const T* const from =
          norm_.form.products ? da + at : row.dz + offset(task_.da, which * hidden_ + at);
      const V dc = units_.load(row.dc + at, whole);
      units_.store(fma(units_.load(peephole(which) + at, whole), units_.load(from, whole), dc),
                   row.dc + at, whole);
    });
  }

  const BackwardTask<T>& task_;
  const NormBackward<T>& norm_;
  const BackwardChunk& chunk_;
  const Derivatives derivatives_;
  const Index hidden_;
  const Vectors<V> units_, gates_;
  const T epsilon_;
  const bool waits_;
};

}  // namespace
}  // namespace peephole::kernels
