#include <memory>

#include "peephole/peephole.hpp"
#include "peephole/runtime.hpp"
#include "step.hpp"

namespace bench {
namespace {

using peephole::Index;
using peephole::StateView;

peephole::LSTM<float> layer(const Problem& problem) {
  peephole::LSTMConfig config;
  config.input_size = static_cast<Index>(problem.I);
  config.hidden_sizes = {static_cast<Index>(problem.H)};
  return peephole::LSTM<float>(config, peephole::uninitialised);
}

/// Inference by peephole::Stream; training by peephole::LSTM, on a tape and state that are reused.
class PeepholeStep : public Step {
 public:
  PeepholeStep(const Problem& problem, bool same_weights)
      : problem_(problem),
        same_weights_(same_weights),
        lstm_(layer(problem)),
        dparameters_(static_cast<std::size_t>(lstm_.parameters().flat_size())),
        y_(problem.H),
        dx_(problem.I) {
    peephole::set_num_threads(1);
    auto& parameters = lstm_.parameters();
    const auto assign = [&](const char* name, const Values& values) {
      parameters.assign(parameters.find(name), values.data());
    };
    assign("weight_ih_l0", problem.weight_ih);
    assign("weight_hh_l0", problem.weight_hh);
    assign("weight_ch_l0", problem.peepholes);
    assign("bias_l0", problem.bias);
    stream_ = std::make_unique<peephole::Stream<float>>(lstm_);
    reset();
  }

  std::string name() const override { return "peephole"; }
  Model model() const override { return Model::note; }

  void reset() override { stream_->set_state(0, initial()); }

  void infer(long steps) override {
    for (long step = 0; step < steps; ++step) stream_->step(problem_.x.data(), y_.data());
  }
  Values h() const override {
    State state = {Values(problem_.H), Values(problem_.H)};
    stream_->get_state(0, {state.h.data(), state.c.data(), 1, size(problem_.H)});
    return state.h;
  }

  void train(long times) override {
    const Index H = size(problem_.H);
    const StateView<const float> before = initial();
    const StateView<float> after{state_.h.data(), state_.c.data(), 1, H};
    const StateView<float> dbefore{dstate_.h.data(), dstate_.c.data(), 1, H};
    const auto dy = peephole::contiguous(problem_.dy.data(), 1, 1, H);
    const auto dx = peephole::contiguous(dx_.data(), 1, 1, size(problem_.I));
    auto& parameters = lstm_.parameters();
    for (long step = 0; step < times; ++step) {
      // As an optimiser does after every step: nothing kept of the weights holds any more. The bias
      // is the smallest tensor.
      if (!same_weights_) parameters.assign(bias_, parameters.data(bias_));
      lstm_.forward({x(), {}, {&before, 1}}, {y(), {&after, 1}}, tape_);
      lstm_.backward(tape_, peephole::Gradient<float>::of_y(dy), dparameters_, {dx, {&dbefore, 1}});
    }
  }
  Gradients gradients() const override {
    return {dx_, of("weight_ih_l0"), of("weight_hh_l0"), of("weight_ch_l0"), of("bias_l0")};
  }

 private:
  struct State {
    Values h, c;
  };

  static Index size(std::size_t n) { return static_cast<Index>(n); }
  StateView<const float> initial() const {
    return {problem_.h.data(), problem_.c.data(), 1, size(problem_.H)};
  }
  peephole::SequenceView<const float> x() const {
    return peephole::contiguous(problem_.x.data(), 1, 1, size(problem_.I));
  }
  peephole::SequenceView<float> y() {
    return peephole::contiguous(y_.data(), 1, 1, size(problem_.H));
  }
  Values of(const char* name) const {
    const auto& parameters = lstm_.parameters();
    const Index i = parameters.find(name);
    const float* begin = dparameters_.data() + parameters.offset(i);
    return {begin, begin + parameters.specs()[static_cast<std::size_t>(i)].size()};
  }

  const Problem& problem_;
  bool same_weights_;
  peephole::LSTM<float> lstm_;
  Index bias_ = lstm_.parameters().find("bias_l0");
  peephole::Tape<float> tape_;
  Values dparameters_, y_, dx_;
  State state_{Values(problem_.H), Values(problem_.H)};
  State dstate_{Values(problem_.H), Values(problem_.H)};
  std::unique_ptr<peephole::Stream<float>> stream_;
};

}  // namespace

std::unique_ptr<Step> peephole_step(const Problem& problem, bool same_weights) {
  return std::make_unique<PeepholeStep>(problem, same_weights);
}

}  // namespace bench
