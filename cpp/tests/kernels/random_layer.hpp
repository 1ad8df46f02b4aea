#pragma once

#include <atomic>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "layer/layer.hpp"
#include "support/activate.hpp"

/// Layers at random, and threads, which the tests of the forward and of the backward kernels share.
namespace peephole {

using Random = std::mt19937;

inline Index pick(Random& random, Index low, Index high) {
  return std::uniform_int_distribution<Index>(low, high)(random);
}

template <class T>
std::vector<T> uniform(Random& random, Index size, double low, double high) {
  std::uniform_real_distribution<double> value(low, high);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& v : values) v = static_cast<T>(value(random));
  return values;
}

using test::activate;

/// One of these sizes; the other options at random.
inline LayerSpec random_spec(Random& random, Index input_size, Index hidden_size) {
  LayerSpec spec = {};
  spec.input_size = input_size;
  spec.hidden_size = hidden_size;
  spec.peephole = static_cast<Peephole>(pick(random, 0, 2));
  const bool all = pick(random, 0, 1) == 0;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (all || pick(random, 0, 1) == 0) spec.peephole_gates = spec.peephole_gates.with(gate);
  }
  spec.output_peephole = static_cast<OutputPeephole>(pick(random, 0, 1));
  if (pick(random, 0, 1) == 0) {
    Activations& a = spec.activations;
    for (Activation* f : {&a.i, &a.f, &a.g, &a.o, &a.c}) {
      *f = static_cast<Activation>(pick(random, 0, 7));
    }
    spec.coupled_input_forget = pick(random, 0, 2) == 0;
  }
  // Bounds that some values reach.
  if (pick(random, 0, 2) == 0) spec.cell_clip = 0.3;
  if (pick(random, 0, 2) == 0) spec.preactivation_clip = 0.4;
  if (hidden_size > 1 && pick(random, 0, 2) == 0) {
    spec.projection_size = pick(random, 1, hidden_size - 1);
    if (pick(random, 0, 1) == 0) spec.projection_clip = 0.25;
  }
  return spec;
}

/// The same layer of another size; without its projection, if that would not be smaller.
inline LayerSpec resized(LayerSpec spec, Index hidden_size) {
  spec.hidden_size = hidden_size;
  if (spec.projection_size && *spec.projection_size >= hidden_size) {
    spec.projection_size.reset();
    spec.projection_clip.reset();
  }
  return spec;
}

/// A layer's parameters. Absent ones are empty.
template <class T>
struct LayerValues {
  std::vector<T> weight_ih, weight_hh, weight_ch, bias, weight_hr;

  LayerWeights<const T> weights() const { return weights<const T>(*this); }
  LayerWeights<T> weights() { return weights<T>(*this); }

  template <class Value, class Values>
  static LayerWeights<Value> weights(Values& values) {
    const auto of = [](auto& tensor) { return tensor.empty() ? nullptr : tensor.data(); };
    LayerWeights<Value> weights = {of(values.weight_ih), of(values.weight_hh), of(values.weight_ch),
                                   of(values.bias)};
    weights.weight_hr = of(values.weight_hr);
    return weights;
  }

  /// Small enough for rounding errors not to grow from step to step, whatever the activations.
  void randomise(Random& random, const LayerSpec& spec) {
    const Index I = spec.input_size, H = spec.hidden_size, P = spec.recurrent_size();
    const double of_x = 0.5 / std::sqrt(static_cast<double>(I));
    const double of_h = 0.5 / std::sqrt(static_cast<double>(H));
    weight_ih = uniform<T>(random, kGates * H * I, -of_x, of_x);
    weight_hh = uniform<T>(random, kGates * H * P, -of_h, of_h);
    if (spec.projection_size) weight_hr = uniform<T>(random, P * H, -2 * of_h, 2 * of_h);
    if (spec.peephole == Peephole::diagonal) {
      weight_ch = uniform<T>(random, kGates * H, -.25, .25);
    }
    if (spec.peephole == Peephole::dense) {
      weight_ch = uniform<T>(random, kGates * H * H, -of_h / 2, of_h / 2);
    }
    if (pick(random, 0, 3) != 0) bias = uniform<T>(random, kGates * H, -1, 1);
  }
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

}  // namespace peephole
