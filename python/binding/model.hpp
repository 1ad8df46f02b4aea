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

/// The shape of h and of c, per layer and direction: (B, H), or (H,) for a single sequence.
inline std::vector<Shape> state_shapes(const LSTMConfig& config, Index batch, bool batched) {
  std::vector<Shape> shapes;
  shapes.reserve(static_cast<std::size_t>(config.layers() * config.directions()));
  for (Index H : config.hidden_sizes) {
    for (Index d = 0; d < config.directions(); ++d) {
      shapes.push_back(batched ? Shape{batch, H} : Shape{H});
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

  /// What an output may not overlap.
  std::vector<std::pair<std::string, py::array>> arrays() const {
    std::vector<std::pair<std::string, py::array>> named = {{"x", x.array()}};
    for (const py::array& array : state.arrays()) named.emplace_back("state", array);
    return named;
  }

  Sequences<T> x;
  Lengths lengths;
  std::vector<Shape> shapes;
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
template <class CoreTape>
class SpareTape {
 public:
  /// Larger ones are not kept: nobody may train again.
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

  static CoreTape take(Keep keep) {
    const std::unique_ptr<CoreTape> spare(of(keep).exchange(nullptr));
    return spare ? std::move(*spare) : CoreTape(keep);
  }
  static void leave(Keep keep, CoreTape tape) {
    if (tape.bytes() > kMostBytes) return;
    const std::unique_ptr<CoreTape> before(
        of(keep).exchange(new (std::nothrow) CoreTape(std::move(tape))));
  }

 private:
  // No mutex, which a forked child could inherit locked; never destroyed, as a daemon thread may
  // still compute when the process ends.
  static std::atomic<CoreTape*>& of(Keep keep) {
    static std::atomic<CoreTape*> spares[2] = {nullptr, nullptr};
    return spares[keep == Keep::all ? 0 : 1];
  }
};

/// A core tape, and whether its arrays have a batch axis in Python.
template <class CoreTape>
struct TapeOf {
  TapeOf(bool of_batch, bool recompute)
      : keep(recompute ? Keep::segments : Keep::all),
        tape(SpareTape<CoreTape>::take(keep)),
        batched(of_batch) {}
  TapeOf(const TapeOf&) = delete;
  TapeOf& operator=(const TapeOf&) = delete;
  ~TapeOf() { SpareTape<CoreTape>::leave(keep, std::move(tape)); }

  Keep keep;
  CoreTape tape;
  bool batched;

  /// (B, ...) or, for a single sequence, (...).
  Shape shape(Shape rest) const {
    if (batched) rest.insert(rest.begin(), tape.batch());
    return rest;
  }
};

/// dx of a backward pass: an array shaped as x, or None where it is not wanted.
template <class T>
class InputGradient {
 public:
  template <class CoreTape>
  InputGradient(const TapeOf<CoreTape>& tape, Index features, bool wanted) {
    if (!wanted) return;
    const Index B = tape.tape.batch(), time = tape.tape.time();
    py::array_t<T> dx(tape.shape({time, features}));
    view_ = sequence_view<T>(dx, B, time);
    object_ = std::move(dx);
  }

  /// Its data is null where it is not wanted.
  const SequenceView<T>& view() const noexcept { return view_; }
  const py::object& object() const noexcept { return object_; }

 private:
  py::object object_ = py::none();
  SequenceView<T> view_;
};

template <class CoreTape>
void bind_tape(py::module_& module, const char* name) {
  using Self = TapeOf<CoreTape>;
  py::class_<Self>(module, name)
      .def_property_readonly("nbytes", [](const Self& self) { return self.tape.bytes(); })
      .def_property_readonly("batch", [](const Self& self) { return self.tape.batch(); })
      .def_property_readonly("time", [](const Self& self) { return self.tape.time(); })
      .def("__repr__", [](const Self& self) {
        return "<tape of " + std::to_string(self.tape.batch()) + " sequences, " +
               std::to_string(self.tape.time()) + " steps, " + std::to_string(self.tape.bytes()) +
               " bytes>";
      });
}

template <class CoreTape>
const TapeOf<CoreTape>& tape_of(py::handle object) {
  if (!py::isinstance<TapeOf<CoreTape>>(object)) {
    refuse_type("tape", "one that this model's forward returned", type_text(object));
  }
  return py::cast<const TapeOf<CoreTape>&>(object);
}

}  // namespace peephole::binding
