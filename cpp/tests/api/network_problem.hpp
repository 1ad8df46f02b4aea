#pragma once

#include <vector>

#include "peephole/network.hpp"
#include "support/arrays.hpp"

/// A small network, and all arrays of a training pass over a ragged batch.
namespace peephole::test {

inline constexpr Index kBatch = 3;
inline constexpr Index kTime = 4;
inline const std::vector<Index> kLengths = {2, 0, 4};

inline NetworkConfig config_of(HeadActivation head, Readout readout) {
  NetworkConfig config;
  config.lstm.input_size = 2;
  config.lstm.hidden_sizes = {3, 2};
  config.lstm.bidirectional = true;
  config.output_size = 3;
  config.head = head;
  config.readout = readout;
  return config;
}

template <class F>
void for_each_config(F&& f) {
  for (HeadActivation head : {HeadActivation::identity, HeadActivation::sigmoid,
                              HeadActivation::tanh, HeadActivation::softmax}) {
    for (Readout readout : {Readout::all, Readout::last, Readout::mean, Readout::max}) {
      f(config_of(head, readout));
    }
  }
}

/// A network and all arrays of a training pass over it, at random.
template <class T>
struct Problem {
  NetworkConfig config;
  Random random;
  Network<T> network;
  Index I, O, steps;
  std::vector<T> x, y, logits, gradient, dx, dparameters;
  States<T> initial, final, dfinal, dinitial;

  explicit Problem(const NetworkConfig& config_, std::uint64_t seed = 1)
      : config(config_),
        random(seed),
        network(config, uninitialised),
        I(config.lstm.input_size),
        O(config.output_size),
        steps(config.readout == Readout::all ? kTime : 1),
        x(random.values<T>(kBatch * kTime * I)),
        y(at(kBatch * steps * O), T{7}),
        logits(y.size(), T{7}),
        gradient(random.values<T>(kBatch * steps * O)),
        dx(x.size(), T{7}),
        dparameters(at(network.parameters().flat_size()), T{7}),
        initial(config.lstm, kBatch, random),
        final(config.lstm, kBatch),
        dfinal(config.lstm, kBatch, random),
        dinitial(config.lstm, kBatch) {
    randomise(network.parameters(), random);
  }

  SequenceView<T> outputs(std::vector<T>& array) {
    return contiguous(array.data(), kBatch, steps, O);
  }
  SequenceView<const T> x_view() const { return contiguous(x.data(), kBatch, kTime, I); }
  /// Whether step `s` of sequence `b` of y is one that the head read.
  bool read(Index b, Index s) const {
    return config.readout == Readout::all ? s < kLengths[at(b)] : kLengths[at(b)] > 0;
  }

  void infer() {
    const auto from = initial.const_views();
    const auto to = final.views();
    network.infer({x_view(), kLengths, from}, {outputs(y), to});
  }
  void forward(Tape<T>& tape) {
    const auto from = initial.const_views();
    const auto to = final.views();
    network.forward({x_view(), kLengths, from}, {outputs(y), to, outputs(logits)}, tape);
  }
  void backward(const Tape<T>& tape, bool of_logits) {
    const auto of = contiguous<const T>(gradient.data(), kBatch, steps, O);
    const auto from = dfinal.const_views();
    const auto to = dinitial.views();
    network.backward(tape,
                     of_logits ? Gradient<T>::of_logits(of, from) : Gradient<T>::of_y(of, from),
                     dparameters, {contiguous(dx.data(), kBatch, kTime, I), to});
  }
};

}  // namespace peephole::test
