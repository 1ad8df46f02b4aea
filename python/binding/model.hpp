#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "arrays.hpp"
#include "parameters.hpp"

/// What the bindings of LSTM and of Network have in common.
namespace peephole::binding {

/// The shapes of the state, per layer and direction.
inline std::vector<StateShape> state_shapes(const LSTMConfig& config, Index batch, bool batched) {
  std::vector<StateShape> shapes;
  shapes.reserve(static_cast<std::size_t>(config.layers() * config.directions()));
  const auto shape = [&](Index size) { return batched ? Shape{batch, size} : Shape{size}; };
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    for (Index d = 0; d < config.directions(); ++d) {
      shapes.push_back({shape(config.recurrent_size(layer)), shape(H)});
    }
  }
  return shapes;
}

/// x, lengths and state of a call.
template <class T>
struct Inputs {
  Inputs(const LSTMConfig& config, py::handle x_object, py::handle state_object,
         py::handle lengths_object)
      : x(x_object, "x", config.input_size),
        lengths(lengths_object, x),
        shapes(state_shapes(config, x.batch(), x.batched())),
        state(state_object, "state", shapes) {}

  Call<T> call() const noexcept { return {x.view(), lengths.span(), state.span()}; }

  /// What an output may not overlap.
  std::vector<std::pair<std::string, py::array>> arrays() const {
    std::vector<std::pair<std::string, py::array>> named = {{"x", x.array()}};
    for (const py::array& array : state.arrays()) named.emplace_back("state", array);
    return named;
  }

  Sequences<T> x;
  Lengths lengths;
  std::vector<StateShape> shapes;
  StateIn<T> state;
};

/// None, or an int that peephole.options has checked.
inline std::optional<std::uint64_t> seed_of(py::handle object) {
  if (object.is_none()) return std::nullopt;
  return py::cast<std::uint64_t>(object);
}

/// What y is written to: the caller's `out`, or for None a new array.
template <class T>
py::array_t<T> output_of(py::handle out, const Shape& shape, const Inputs<T>& in,
                         const Parameters<T>& parameters) {
  if (out.is_none()) return py::array_t<T>(shape);
  return output<T>(out, "out", shape, in.arrays(), &parameters);
}

/// The tape that was dropped last, whose memory the next one takes over. New memory comes from the
/// system page by page, which can take a third of a small layer's training step.
template <class T>
class SpareTape {
 public:
  /// Larger ones are not kept: there may be no next one.
  static constexpr std::size_t kMostBytes = std::size_t{128} << 20;

  static Tape<T> take(Keep keep) {
    const std::unique_ptr<Tape<T>> spare(of(keep).exchange(nullptr));
    return spare ? std::move(*spare) : Tape<T>(keep);
  }
  static void leave(Keep keep, Tape<T> tape) {
    if (tape.bytes() > kMostBytes) return;
    const std::unique_ptr<Tape<T>> before(
        of(keep).exchange(new (std::nothrow) Tape<T>(std::move(tape))));
  }

 private:
  // No mutex, which a forked child could inherit locked; never destroyed, as a daemon thread may
  // still compute when the process ends.
  static std::atomic<Tape<T>*>& of(Keep keep) {
    static std::atomic<Tape<T>*> spares[2] = {nullptr, nullptr};
    return spares[keep == Keep::all ? 0 : 1];
  }
};

/// A core tape, whether its arrays have a batch axis in Python, and a network's logits.
template <class T>
struct TapeOf {
  TapeOf(bool of_batch, bool recompute)
      : keep(recompute ? Keep::segments : Keep::all),
        tape(SpareTape<T>::take(keep)),
        batched(of_batch) {}
  TapeOf(const TapeOf&) = delete;
  TapeOf& operator=(const TapeOf&) = delete;
  ~TapeOf() { SpareTape<T>::leave(keep, std::move(tape)); }

  Keep keep;
  Tape<T> tape;
  bool batched;
  py::object logits = py::none();

  /// (B, ...) or, for a single sequence, (...).
  Shape shape(Shape rest) const {
    if (batched) rest.insert(rest.begin(), tape.batch());
    return rest;
  }
};

/// Gradients of x and of the initial state: arrays shaped as x, or None where they are not wanted,
/// and as the state.
template <class T>
class InputGradientsOf {
 public:
  InputGradientsOf(const TapeOf<T>& tape, const LSTMConfig& config, bool wants_x)
      : initial_(state_shapes(config, tape.tape.batch(), tape.batched)) {
    if (!wants_x) return;
    const Index B = tape.tape.batch(), time = tape.tape.time();
    py::array_t<T> x(tape.shape({time, config.input_size}));
    view_ = sequence_view<T>(x, B, time);
    x_ = std::move(x);
  }

  InputGradients<T> views() const noexcept { return {view_, initial_.span()}; }
  const py::object& x() const noexcept { return x_; }
  py::tuple initial() const noexcept { return initial_.tuple(); }

 private:
  StateOut<T> initial_;
  py::object x_ = py::none();
  SequenceView<T> view_ = {};
};

/// The tape that an LSTM, or a network, is given; TypeError for anything else, also for the tape of
/// the other kind of model. Whether it is this model's is the core's to check.
template <class T>
const TapeOf<T>& tape_of(py::handle object, bool of_network) {
  const char* const expected = "one that this model's forward returned";
  if (!py::isinstance<TapeOf<T>>(object)) refuse_type("tape", expected, type_text(object));
  const auto& tape = py::cast<const TapeOf<T>&>(object);
  if (tape.logits.is_none() == of_network) {
    refuse_type("tape", expected, of_network ? "one of an LSTM" : "one of a network");
  }
  return tape;
}

}  // namespace peephole::binding
