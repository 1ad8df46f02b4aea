#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

/// Single steps of one layer on one sequence, T = B = 1, and who can take them.
///
/// A further way to take a step (another library, another interface of ours) is a class like those
/// below and a line in implementations().
namespace bench {

using Values = std::vector<float>;

/// I inputs and H units, with weights, inputs and incoming gradients.
struct Problem {
  std::size_t I, H;
  Values weight_ih;  // (4H, I), rows: gates i, f, g, o
  Values weight_hh;  // (4H, H)
  Values peepholes;  // (4, H)
  Values bias;       // (4H,)
  Values x;          // (I,)
  Values h, c;       // (H,) the initial state
  Values dy;         // (H,)
};

/// The note's peepholes on all four gates, of c_{t-1}; or those of ONNX on i, f and o, and o's of
/// c_t.
enum class Model { note, onnx };

/// What training computes, each of the shape of what it is of.
struct Gradients {
  Values x, weight_ih, weight_hh, peepholes, bias;
};

class Step {
 public:
  virtual ~Step() = default;

  virtual std::string name() const = 0;
  virtual Model model() const = 0;

  /// Back to the initial state.
  virtual void reset() = 0;
  /// So many steps, each from the state in which the one before ended, all reading x.
  virtual void infer(long steps) = 0;
  /// h, (H,), after the last of them.
  virtual Values h() const = 0;

  virtual bool trains() const { return true; }
  /// So many times forward and backward over one step from the initial state.
  virtual void train(long /*times*/) {}
  virtual Gradients gradients() const { return {}; }
};

/// Ours first; peers that were not found are not among them. With `same_weights` nothing
/// announces a change of the weights between training steps.
std::vector<std::unique_ptr<Step>> implementations(const Problem& problem, bool same_weights);

std::unique_ptr<Step> peephole_step(const Problem& problem, bool same_weights);
/// nullptr where the build found no oneDNN.
std::unique_ptr<Step> onednn_step(const Problem& problem);

}  // namespace bench
