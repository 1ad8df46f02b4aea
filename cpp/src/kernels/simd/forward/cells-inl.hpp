#pragma once

#include <type_traits>

#include "kernels/simd/forward/cell-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The cells of one step of a batch, tile by tile.
namespace peephole::kernels {
namespace {

/// The current step. State is read from the buffers of its parity and written to the others.
template <class T>
struct StepNow {
  ForwardStep step;
  Index parity;
  const T* projected;  // b + W x of its rows; null: W x is not computed yet
};

/// The rows of a step whose h is written to the caller's array panel by panel. One column of more
/// rows may be in one set of the cache, whose lines would displace each other; h is then copied,
/// row by row, when the step is complete.
inline constexpr Index kRowsByPanel = 12;

inline Index panel_groups(Index panels) { return (panels + kGates - 1) / kGates; }

/// Rows, or panels of one row, whose cells are computed together. With 16 registers some values go
/// to memory and back, which costs less than to wait for a single cell: a processor looks ahead by
/// about the operations of one. Activations chosen at run time take one vector at a time, and so do
/// sets without fused operations.
template <class V, class Sigma>
inline constexpr bool kTogether =
    std::is_same_v<Sigma, StandardActivations> && V::fused && V::registers >= 16;
template <class V, class Sigma>
inline constexpr int kRowsAtOnce = kTogether<V, Sigma> ? 3 : 1;
template <class V, class Sigma>
inline constexpr int kPanelsAtOnce = kTogether<V, Sigma> ? 2 : 1;

template <class V>
class ForwardCells {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;

 public:
  explicit ForwardCells(const ForwardTask<T>& task)
      : task_(task), w_(task.weights), chosen_(task), width_(task.c_width) {}

  /// Units of a panel, without the padding.
  Index units(Index panel) const { return min_index(task_.hidden_size - panel * kLanes, kLanes); }
  /// Whether h of a step is copied when all of it is known.
  bool copies_h(const StepNow<T>& now) const {
    return w_.projection == nullptr && now.step.rows > kRowsByPanel;
  }
  /// The width of output_sums' rows, which are read by groups of panels.
  Index output_width() const { return panel_groups(w_.panels) * kPanelRow<V>; }

  /// From the sums of R rows and a panel to c_t and h_t.
  template <int R>
  void finish(const StepNow<T>& now, Index row, Index panel, Sums<T> sums) const {
    if (task_.standard) {
      finish_with<R>(StandardActivations(task_), now, row, panel, sums);
    } else {
      finish_with<R>(chosen_, now, row, panel, sums);
    }
  }

  /// The same of one row and `count` panels. sums: (count, 4, lanes)
  void finish_row(const StepNow<T>& now, Index row, Index panel, Index count, const T* sums) const {
    if (task_.standard) {
      finish_row_with(StandardActivations(task_), now, row, panel, count, sums);
    } else {
      finish_row_with(chosen_, now, row, panel, count, sums);
    }
  }

  /// The rest of finish() where the output gate has dense peepholes that read c_t: o and h_t, when
  /// the sums of o are complete.
  void after_dense_output(const StepNow<T>& now, Index row, Index panel, V sum) const {
    const CellRows<T> at = row_of(now, row, panel);
    const V c = V::load(at.c_next);
    const V o = task_.standard ? StandardActivations(task_).o(sum) : chosen_.o(sum);
    if (task_.clipped != nullptr) {
      T* const clipped = clipped_row(now, row, panel);
      (V::load(clipped, at.units) + clipped_gate(kOutput, sum)).store(clipped, at.units);
    }
    const V h = (task_.standard ? StandardActivations(task_).c(c) : chosen_.c(c)) * o;
    store_h(h, at);
    if (at.gates != nullptr) o.store(at.gates + kOutput * at.gate_stride, at.units);
  }

 private:
  template <int R, class Sigma>
  [[gnu::always_inline]] void finish_with(const Sigma& sigma, const StepNow<T>& now, Index row,
                                          Index panel, Sums<T> sums) const {
    constexpr int kAtOnce = kRowsAtOnce<V, Sigma>;
    int r = 0;
    for (; r + kAtOnce <= R; r += kAtOnce) {
      cells<kAtOnce, Beside::rows>(sigma, now, row + r, panel,
                                   {sums.data + r * sums.stride, sums.stride});
    }
    if constexpr (R % kAtOnce != 0) {
      cells<R % kAtOnce, Beside::rows>(sigma, now, row + r, panel,
                                       {sums.data + r * sums.stride, sums.stride});
    }
  }

  template <class Sigma>
  [[gnu::always_inline]] void finish_row_with(const Sigma& sigma, const StepNow<T>& now, Index row,
                                              Index panel, Index count, const T* sums) const {
    constexpr int kAtOnce = kPanelsAtOnce<V, Sigma>;
    for (; count >= kAtOnce; count -= kAtOnce, panel += kAtOnce, sums += kAtOnce * kPanelRow<V>) {
      cells<kAtOnce, Beside::panels>(sigma, now, row, panel, {sums, kPanelRow<V>});
    }
    for (; count > 0; --count, ++panel, sums += kPanelRow<V>) {
      cells<1, Beside::panels>(sigma, now, row, panel, {sums, kPanelRow<V>});
    }
  }

  CellRows<T> row_of(const StepNow<T>& now, Index row, Index panel) const {
    const Index unit = panel * kLanes, state = row * width_ + unit, packed = now.step.row + row;
    const Index next = now.parity ^ 1;
    // With a projection, h is m_t, in scratch memory alone.
    const bool projects = w_.projection != nullptr;
    return {
        units(panel),
        task_.c_rows[now.parity] + state,
        task_.c_rows[next] + state,
        (projects ? task_.m_rows : task_.h_rows[next]) + state,
        projects || copies_h(now) ? nullptr : task_.h + now.step.h + row * task_.h_stride + unit,
        task_.c == nullptr ? nullptr : task_.c + packed * task_.hidden_size + unit,
        task_.gates == nullptr ? nullptr : task_.gates + packed * kGates * task_.hidden_size + unit,
        task_.hidden_size};
  }

  /// What cells that are computed together differ in.
  enum class Beside { rows, panels };

  /// The nth of N vectors is at data + n * stride + gate * lanes.
  template <int N>
  struct ByGates {
    const T* data;
    Index stride;

    [[gnu::always_inline]] SideBySide<V, N> operator[](int gate) const {
      return SideBySide<V, N>::of([&](int n) __attribute__((always_inline)) {
        return V::load(data + n * stride + gate * kLanes);
      });
    }
  };

  template <int N, Beside beside, class Sigma>
  [[gnu::noinline]] void cells(const Sigma& sigma, const StepNow<T>& now, Index row, Index panel,
                               Sums<const T> sums) const {
    constexpr bool kPanels = beside == Beside::panels && N > 1;
    const T* const diagonal = w_.diagonal == nullptr ? nullptr : w_.diagonal + panel * kPanelRow<V>;
    const T* const c = row_of(now, row, panel).c_previous;
    const Index next_c = kPanels ? kLanes : width_;
    const auto previous = SideBySide<V, N>::of(
        [&](int n) __attribute__((always_inline)) { return V::load(c + n * next_c); });
    const ByGates<N> by_gates = {sums.data, sums.stride};
    const auto open = [&]() __attribute__((always_inline)) {
      if constexpr (kPanels) {
        return open_cell(task_, sigma, by_gates, ByGates<N>{diagonal, kPanelRow<V>}, previous);
      } else {
        return open_cell(task_, sigma, by_gates, diagonal, previous);
      }
    }();
    const auto at_of = [&](int n) __attribute__((always_inline)) {
      return row_of(now, kPanels ? row : row + n, kPanels ? panel + n : panel);
    };
    if (task_.gates != nullptr) {
      const auto y = sigma.close(open);
#pragma GCC unroll 6
      for (int n = 0; n < N; ++n) {
        store_training(Cell<V>{y.i.v[n], y.f.v[n], y.g.v[n], y.o.v[n], y.c.v[n], y.h.v[n]},
                       at_of(n));
        store_state(y.c.v[n], y.h.v[n], at_of(n));
      }
    } else {
      const auto h = sigma.h(open);  // without the divisions for i and o
#pragma GCC unroll 6
      for (int n = 0; n < N; ++n) store_state(open.c.v[n], h.v[n], at_of(n));
    }
    if constexpr (!std::is_same_v<Sigma, StandardActivations>) {
      if (task_.clipped != nullptr) {
        note_clipped(sums, diagonal, previous.v[0], open.c.v[0], clipped_row(now, row, panel),
                     units(panel));
      }
    }
    if (w_.dense_output != nullptr) {
#pragma GCC unroll 6
      for (int n = 0; n < N; ++n) {
        V::load(sums.data + n * sums.stride + kOutput * kLanes)
            .store(task_.output_sums + (kPanels ? row : row + n) * output_width() +
                   (kPanels ? panel + n : panel) * kLanes);
      }
    }
  }

  [[gnu::always_inline]] static void store_state(V c, V h, const CellRows<T>& at) {
    c.store(at.c_next);
    store_h(h, at);
  }
  [[gnu::always_inline]] static void store_h(V h, const CellRows<T>& at) {
    h.store(at.h_next);
    if (at.h != nullptr) h.store(at.h, at.units);
  }

  T* clipped_row(const StepNow<T>& now, Index row, Index panel) const {
    return task_.clipped + (now.step.row + row) * task_.hidden_size + panel * kLanes;
  }

  /// 1 << gate where the gate's sum is beyond the bound, or 0.
  [[gnu::always_inline]] V clipped_gate(int gate, V sum) const {
    return select_less(V::broadcast(task_.preactivation_clip), abs(sum),
                       V::broadcast(static_cast<T>(1 << gate)), V::zero());
  }

  /// Which gates of a row and panel were clipped, from their sums; but for an output gate whose sum
  /// is not complete.
  [[gnu::noinline]] void note_clipped(Sums<const T> sums, const T* diagonal, V previous_c, V c,
                                      T* clipped, Index units) const {
    V noted = V::zero();
    for (int gate = 0; gate < kGates; ++gate) {
      if (gate == kOutput && w_.dense_output != nullptr) continue;
      V sum = V::load(sums.data + gate * kLanes);
      if ((task_.peephole_gates >> gate & 1u) != 0) {
        const V state = gate == kOutput && task_.output_reads_current ? c : previous_c;
        sum = fma(V::load(diagonal + gate * kLanes), state, sum);
      }
      noted = noted + clipped_gate(gate, sum);
    }
    noted.store(clipped, units);
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const ChosenActivations<T> chosen_;
  const Index width_;
};

}  // namespace
}  // namespace peephole::kernels
