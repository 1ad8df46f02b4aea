#pragma once

#include <algorithm>

#include "kernels/backward_problem.hpp"

/// The answers of the backward kernels' problems.
namespace peephole {

/// At a, by y = activate(a).
inline double derivative(Activation activation, double y) {
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

/// The equations in double, one sequence after the other, unit by unit; see LayerBackward for the
/// arrays.
template <class T>
class Equations {
 public:
  explicit Equations(const Problem<T>& p)
      : p_(p),
        I_(p.spec.input_size),
        H_(p.spec.hidden_size),
        P_(p.spec.recurrent_size()),
        d_(room(p, I_, 0.0)) {}

  const Gradients<double>& run() {
    for (Index rank = 0; rank < p_.schedule.batch(); ++rank) {
      const Index length = p_.schedule.length(rank);
      const bool forward = p_.direction == Direction::forward;
      for (Index s = 0; s < length; ++s) {
        const Index t = forward ? length - 1 - s : s;
        const Index row = p_.schedule.offset(t) + rank;
        const bool begins = s + 1 == length;
        const Index before = begins ? 0 : p_.schedule.offset(forward ? t - 1 : t + 1) + rank;
        step(rank, row, begins ? &p_.initial_h[rank * P_] : &p_.h[before * p_.h_stride],
             begins ? &p_.initial_c[rank * H_] : &p_.c[before * H_]);
      }
    }
    return d_;
  }

 private:
  /// 0 where the gate's sum was clipped, else 1.
  double passes(Index row, Gate k, Index u) const {
    if (p_.clipped.empty()) return 1;
    return (static_cast<int>(p_.clipped[row * H_ + u]) >> index(k) & 1) != 0 ? 0 : 1;
  }
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

  /// dm = W_hrᵀ dh and dW_hr += dh mᵀ, where dh is 0 where h was clipped; without a projection dh.
  std::vector<double> before_projection(Index row, const double* dh) {
    std::vector<double> dm(dh, dh + P_);
    if (!p_.spec.projection_size) return dm;
    dm.assign(H_, 0);
    for (Index k = 0; k < P_; ++k) {
      if (p_.spec.projection_clip &&
          std::fabs(p_.unclipped[row * P_ + k]) > static_cast<T>(*p_.spec.projection_clip)) {
        continue;
      }
      for (Index u = 0; u < H_; ++u) {
        const double m =
            gate(row, Gate::output, u) * activate(p_.spec.activations.c, p_.c[row * H_ + u]);
        dm[u] += p_.weight_hr[k * H_ + u] * dh[k];
        d_.weight_hr[k * H_ + u] += dh[k] * m;
      }
    }
    return dm;
  }

  void step(Index rank, Index row, const T* previous_h, const T* previous_c) {
    const LayerSpec& spec = p_.spec;
    const Activations& f = spec.activations;
    double* const dh = &d_.dstate_h[rank * P_];
    double* const dc = &d_.dstate_c[rank * H_];
    const T* const c = &p_.c[row * H_];
    std::vector<double> da(kGates * H_);
    const auto at = [&](Gate k, Index u) -> double& { return da[index(k) * H_ + u]; };
    for (Index k = 0; k < P_; ++k) dh[k] += p_.dh[row * p_.dh_stride + k];
    const std::vector<double> dm = before_projection(row, dh);
    for (Index u = 0; u < H_; ++u) {
      const double o = gate(row, Gate::output, u), h_of_c = activate(f.c, c[u]);
      at(Gate::output, u) = dm[u] * h_of_c * derivative(f.o, o) * passes(row, Gate::output, u);
      dc[u] += dm[u] * o * derivative(f.c, h_of_c);
    }
    if (spec.output_reads_current()) peephole(Gate::output, c, da, dc);
    for (Index u = 0; u < H_; ++u) {
      const double i = gate(row, Gate::input, u), forget = gate(row, Gate::forget, u);
      const double g = gate(row, Gate::cell, u);
      if (std::fabs(forget * previous_c[u] + g * i) > spec.cell_clip) dc[u] = 0;
      const double df = dc[u] * previous_c[u];
      const double di = dc[u] * g - (spec.coupled_input_forget ? df : 0);
      at(Gate::input, u) = di * derivative(f.i, i) * passes(row, Gate::input, u);
      at(Gate::forget, u) = spec.coupled_input_forget
                                ? 0
                                : df * derivative(f.f, forget) * passes(row, Gate::forget, u);
      at(Gate::cell, u) = dc[u] * i * derivative(f.g, g) * passes(row, Gate::cell, u);
      dc[u] *= forget;
    }
    for (Gate k : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
      if (k == Gate::output && spec.output_reads_current()) continue;
      peephole(k, previous_c, da, dc);
    }
    linear(row, da, previous_h, dh);
  }

  void linear(Index row, const std::vector<double>& da, const T* previous_h, double* dh) {
    std::fill_n(dh, P_, 0.0);
    for (Index m = 0; m < kGates * H_; ++m) {
      for (Index k = 0; k < P_; ++k) {
        dh[k] += p_.weight_hh[m * P_ + k] * da[m];
        d_.weight_hh[m * P_ + k] += da[m] * previous_h[k];
      }
      for (Index i = 0; i < I_; ++i) {
        if (p_.wants_dx) d_.dx[row * I_ + i] += p_.weight_ih[m * I_ + i] * da[m];
        d_.weight_ih[m * I_ + i] += da[m] * p_.x[row * p_.x_stride + i];
      }
      if (!d_.bias.empty()) d_.bias[m] += da[m];
    }
  }

  const Problem<T>& p_;
  const Index I_, H_, P_;
  Gradients<double> d_;
};

}  // namespace peephole
