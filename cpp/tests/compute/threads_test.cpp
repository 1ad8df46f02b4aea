// Results have the same bits on any number of threads, on any executor, however late its threads.

#include <limits>
#include <utility>

#include "peephole/lstm.hpp"
#include "peephole/runtime.hpp"
#include "runtime/split_limit.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/executors.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr std::uint64_t kSeed = 5;  // of what training draws

/// A training pass of one shape, large enough for several threads.
class Case {
 public:
  Case(Index batch, Index time, const LSTMConfig& config)
      : batch_(batch), time_(time), config_(config), lstm_(config, uninitialised) {
    Random random(7);
    Parameters<float>& parameters = lstm_.parameters();
    for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
      parameters.assign(i,
                        random.values<float>(parameters.specs()[at(i)].size(), -0.2, 0.2).data());
    }
    x_ = random.values<float>(batch * time * config.input_size);
    dy_ = random.values<float>(batch * time * config.output_size());
    for (Index b = 0; b < batch; ++b) lengths_.push_back(time - b % 5);
  }

  /// y, dx and the gradients of the parameters, one after the other.
  std::vector<float> results() const {
    const Index I = config_.input_size, F = config_.output_size();
    std::vector<float> y(dy_.size()), dx(x_.size());
    std::vector<float> dparameters(at(lstm_.parameters().flat_size()));
    Tape<float> tape;
    lstm_.forward({contiguous(x_.data(), batch_, time_, I), lengths_},
                  {contiguous(y.data(), batch_, time_, F)}, tape, kSeed);
    lstm_.backward(tape, Gradient<float>::of_y(contiguous(dy_.data(), batch_, time_, F)),
                   dparameters, {contiguous(dx.data(), batch_, time_, I)});
    y.insert(y.end(), dx.begin(), dx.end());
    y.insert(y.end(), dparameters.begin(), dparameters.end());
    return y;
  }

 private:
  const Index batch_, time_;
  const LSTMConfig config_;
  LSTM<float> lstm_;
  std::vector<float> x_, dy_;
  std::vector<Index> lengths_;
};

LSTMConfig config(Index input_size, Index hidden_size) {
  LSTMConfig config;
  config.input_size = input_size;
  config.hidden_sizes = std::vector<Index>{hidden_size};
  return config;
}

void same_bits(const Case& of) {
  set_num_threads(1);
  const std::vector<float> alone = of.results();
  for (const bool give_up : {false, true}) {
    give_up_late_splits(give_up);
    for (int threads : {2, 3, 8}) {
      set_num_threads(threads);
      CHECK(of.results() == alone);
      for (Executor* executor : all_executors()) {
        const ScopedExecutor scope(executor);
        CHECK(of.results() == alone);
      }
    }
  }
}

}  // namespace

int main() {
  same_bits(Case(48, 20, config(16, 48)));   // sequences are shared
  same_bits(Case(2, 150, config(24, 160)));  // units are
  same_bits(Case(1, 300, config(8, 136)));
  LSTMConfig both = config(24, 64);
  both.bidirectional = true;
  same_bits(Case(3, 40, both));  // directions are
  same_bits(Case(30, 20, both));
  both.hidden_sizes = std::vector<Index>{160};
  same_bits(Case(2, 60, both));
  LSTMConfig dense = config(8, 144);
  dense.peephole = Peephole::dense;
  dense.output_peephole = OutputPeephole::current;
  same_bits(Case(2, 60, dense));
  dense.hidden_sizes = std::vector<Index>{48, 40};
  same_bits(Case(24, 30, dense));
  LSTMConfig projected = config(24, 160);
  for (Index P : {8, 72}) {
    projected.projection_size = P;
    same_bits(Case(2, 80, projected));
    same_bits(Case(30, 20, projected));
  }
  projected.projection_clip = 0.05;
  projected.bidirectional = true;
  same_bits(Case(3, 40, projected));
  dense.projection_size = 12;
  same_bits(Case(2, 60, dense));
  for (LayerNorm form : {LayerNorm::gates, LayerNorm::products}) {
    LSTMConfig norm = config(16, 144);
    norm.layer_norm = form;
    same_bits(Case(48, 20, norm));
    same_bits(Case(2, 60, norm));
    norm.bidirectional = true;
    norm.hidden_sizes = std::vector<Index>{40, 40};
    same_bits(Case(30, 20, norm));
    same_bits(Case(1, 60, norm));
  }
  for (LSTMConfig noisy : {config(16, 48), both, dense, projected}) {
    noisy.recurrent_dropout = 0.2;
    noisy.zoneout = 0.1;
    same_bits(Case(2, 60, noisy));
    same_bits(Case(40, 20, noisy));
  }
  return check::report();
}
