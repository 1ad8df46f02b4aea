#pragma once

#include <cmath>
#include <cstring>

#include "kernels/random_layer.hpp"

/// Problems at random for the backward kernels.
namespace peephole {

/// A layer and what a forward pass left behind. Its values are drawn at random: backward is a
/// function of them, whether or not a forward pass gives them.
template <class T>
struct Problem : LayerValues<T> {
  LayerSpec spec;
  Direction direction;
  bool packing, wants_dx;
  Schedule schedule;
  Index x_stride, h_stride, dh_stride, dx_stride;
  std::vector<T> x, h, gates, c, clipped, unclipped;
  std::vector<T> initial_h, initial_c, dh, dstate_h, dstate_c;
};

/// Rounds values to multiples of 1/64, so that f ⊙ c_{t-1} + g ⊙ i is exact in any order: whether
/// it is beyond a bound then does not depend on rounding.
template <class T>
void round_to_64ths(std::vector<T>& values) {
  for (T& value : values) value = std::round(value * 64) / 64;
}

inline LayerSpec random_layer(Random& random) {
  const Index I = pick(random, 0, 1) == 0 ? pick(random, 1, 9) : pick(random, 1, 80);
  const Index H = pick(random, 0, 2) == 0 ? pick(random, 1, 8) : pick(random, 1, 150);
  return random_spec(random, I, H);
}

template <class T>
Problem<T> random_problem(Random& random, const LayerSpec& spec, Index batch, Index time) {
  const Index I = spec.input_size, H = spec.hidden_size, P = spec.recurrent_size();
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
  p.h_stride = pick(random, 0, 1) == 0 ? P : 2 * P;
  p.dh_stride = P + pick(random, 0, 1) * P;
  p.dx_stride = I + pick(random, 0, 1) * 2;
  p.x = uniform<T>(random, N * p.x_stride, -1, 1);
  p.h = uniform<T>(random, N * p.h_stride, -1, 1);
  p.gates = uniform<T>(random, N * kGates * H, -.2, .9);
  p.c = uniform<T>(random, N * H, -1, 1);
  if (spec.projection_clip) p.unclipped = uniform<T>(random, N * P, -.5, .5);
  p.initial_h = uniform<T>(random, batch * P, -1, 1);
  p.initial_c = uniform<T>(random, batch * H, -1, 1);
  if (spec.clips_cell()) {
    for (std::vector<T>* array : {&p.gates, &p.c, &p.initial_c}) round_to_64ths(*array);
  }
  if (spec.clips_preactivations()) {
    for (Index k = 0; k < N * H; ++k) p.clipped.push_back(static_cast<T>(pick(random, 0, 15)));
  }
  p.dh = uniform<T>(random, N * p.dh_stride, -1, 1);
  p.dstate_h = uniform<T>(random, batch * P, -1, 1);
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
    f("weight_hr", &Gradients::weight_hr);
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
  d.weight_ch = like(p.weight_ch), d.bias = like(p.bias), d.weight_hr = like(p.weight_hr);
  return d;
}

}  // namespace peephole
