#include <omp.h>

#include <algorithm>

#include "lstm.hpp"
#include "step.hpp"

namespace bench {
namespace {

/// (3, H): the rows of i, f and o.
Values without_g(const Problem& problem) {
  const auto H = static_cast<std::ptrdiff_t>(problem.H);
  Values rows(problem.peepholes.begin(), problem.peepholes.begin() + 2 * H);
  rows.insert(rows.end(), problem.peepholes.begin() + 3 * H, problem.peepholes.end());
  return rows;
}

class OneDnnStep : public Step {
 public:
  explicit OneDnnStep(const Problem& problem)
      : problem_(problem),
        lstm_({1, 1, static_cast<OneDnnLSTM::Dim>(problem.I),
               static_cast<OneDnnLSTM::Dim>(problem.H)},
              problem.weight_ih.data(), problem.weight_hh.data(), without_g(problem).data(),
              problem.bias.data()) {
    std::copy(problem.x.begin(), problem.x.end(), lstm_.x());
    std::copy(problem.dy.begin(), problem.dy.end(), lstm_.dy());
    reset();
  }

  std::string name() const override { return "onednn"; }
  Model model() const override { return Model::onnx; }

  void reset() override {
    lstm_.restart();
    std::copy(problem_.h.begin(), problem_.h.end(), lstm_.h());
    std::copy(problem_.c.begin(), problem_.c.end(), lstm_.c());
  }
  void infer(long steps) override {
    for (long step = 0; step < steps; ++step) lstm_.step();
  }
  Values h() const override { return {lstm_.step_h(), lstm_.step_h() + problem_.H}; }

  void train(long times) override {
    for (long step = 0; step < times; ++step) lstm_.train();
  }
  Gradients gradients() const override {
    const std::size_t H = problem_.H;
    const float* three = lstm_.dpeepholes();
    Values peepholes(4 * H);
    std::copy(three, three + 2 * H, peepholes.begin());
    std::copy(three + 2 * H, three + 3 * H, peepholes.end() - static_cast<std::ptrdiff_t>(H));
    return {{lstm_.dx(), lstm_.dx() + problem_.I},
            lstm_.dweight_ih(),
            lstm_.dweight_hh(),
            peepholes,
            {lstm_.dbias(), lstm_.dbias() + 4 * H}};
  }

 private:
  const Problem& problem_;
  mutable OneDnnLSTM lstm_;
};

}  // namespace

std::unique_ptr<Step> onednn_step(const Problem& problem) {
  omp_set_num_threads(1);  // first: it plans for as many threads as there are when it is set up
  return std::make_unique<OneDnnStep>(problem);
}

}  // namespace bench
