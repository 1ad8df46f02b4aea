#include <pybind11/stl/filesystem.h>

#include <memory>

#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "model.hpp"
#include "options.hpp"
#include "quantizing.hpp"
#include "saving.hpp"

namespace peephole::binding {
namespace {

template <class T>
ParametersOf<T> parameters_of(const std::shared_ptr<Network<T>>& self) {
  const auto count = static_cast<Index>(self->parameters().specs().size());
  return {self, &self->parameters(), count};
}

/// The steps of y in the core.
Index steps_out(const NetworkConfig& config, Index time) {
  return config.readout == Readout::all ? time : 1;
}

/// The shape of y but for the batch axis: (T, O), or (O,) for readouts of all steps at once.
Shape output_shape(const NetworkConfig& config, Index time) {
  return config.readout == Readout::all ? Shape{time, config.output_size}
                                        : Shape{config.output_size};
}

/// The core's view of y, or of its gradient.
template <class T, class Array>
SequenceView<T> output_view(const NetworkConfig& config, Array&& array, Index batch, Index time) {
  return sequence_view<T>(array, batch, steps_out(config, time));
}

template <class T>
py::tuple infer(const Network<T>& self, py::handle x, py::handle state, py::handle lengths,
                py::handle out) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  const Index B = in.x.batch(), time = in.x.time();
  auto y = output_of(out, in.x.shape(output_shape(config, time)), in, self.parameters());
  const StateOut<T> final(in.shapes);
  const Outputs<T> outputs{output_view<T>(config, y, B, time), final.span()};
  without_gil([&] { self.infer(in.call(), outputs); });
  return py::make_tuple(std::move(y), final.tuple());
}

/// infer, with the logits besides: (y, logits, state).
template <class T>
py::tuple evaluate(const Network<T>& self, py::handle x, py::handle state, py::handle lengths) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  const Index B = in.x.batch(), time = in.x.time();
  const Shape shape = in.x.shape(output_shape(config, time));
  py::array_t<T> y(shape), logits(shape);
  const StateOut<T> final(in.shapes);
  const Outputs<T> outputs{output_view<T>(config, y, B, time), final.span(),
                           output_view<T>(config, logits, B, time)};
  without_gil([&] { self.infer(in.call(), outputs); });
  return py::make_tuple(std::move(y), std::move(logits), final.tuple());
}

/// (y, logits, state, tape) of what fill(call, outputs, tape) computes.
template <class T, class Fill>
py::tuple fill_tape(const Network<T>& self, py::handle x, py::handle state, py::handle lengths,
                    bool recompute, const Fill& fill) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  const Index B = in.x.batch(), time = in.x.time();
  const Shape shape = in.x.shape(output_shape(config, time));
  py::array_t<T> y(shape), logits(shape);
  const StateOut<T> final(in.shapes);
  const Outputs<T> outputs{output_view<T>(config, y, B, time), final.span(),
                           output_view<T>(config, logits, B, time)};
  auto tape = std::make_unique<TapeOf<T>>(in.x.batched(), recompute);
  without_gil([&] { fill(in.call(), outputs, tape->tape); });
  tape->logits = logits;
  return py::make_tuple(std::move(y), std::move(logits), final.tuple(), std::move(tape));
}

template <class T>
py::tuple forward(const Network<T>& self, py::handle x, py::handle state, py::handle lengths,
                  py::handle seed_object, bool recompute) {
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  return fill_tape(self, x, state, lengths, recompute,
                   [&](const auto& call, const auto& outputs, Tape<T>& tape) {
                     self.forward(call, outputs, tape, seed);
                   });
}

template <class T>
py::tuple trace(const Network<T>& self, py::handle x, py::handle state, py::handle lengths) {
  return fill_tape(self, x, state, lengths, /*recompute=*/false,
                   [&](const auto& call, const auto& outputs, Tape<T>& tape) {
                     self.trace(call, outputs, tape);
                   });
}

template <class T>
py::tuple backward(const std::shared_ptr<Network<T>>& self, py::handle tape_object, py::handle dy,
                   py::handle dstate, py::handle dlogits, bool inputs) {
  if (dy.is_none() == dlogits.is_none()) {
    refuse_value("dy", "exactly one of dy and dlogits", dy.is_none() ? "neither" : "both");
  }
  const bool of_y = dlogits.is_none();
  const TapeOf<T>& tape = tape_of<T>(tape_object, /*of_network=*/true);
  const NetworkConfig& config = self->config();
  const Index B = tape.tape.batch(), time = tape.tape.time();
  const auto array = numbers<T>(of_y ? dy : dlogits, of_y ? "dy" : "dlogits",
                                tape.shape(output_shape(config, time)));
  const StateIn<T> dfinal(dstate, "dstate", state_shapes(config.lstm, B, tape.batched));
  const InputGradientsOf<T> results(tape, config.lstm, inputs);
  const ParametersOf<T> parameters = parameters_of(self);
  auto flat = parameters.new_flat();
  const auto view = output_view<const T>(config, array, B, time);
  const auto gradient =
      of_y ? Gradient<T>::of_y(view, dfinal.span()) : Gradient<T>::of_logits(view, dfinal.span());
  const Span<T> dparameters{flat.mutable_data(), flat.size()};
  without_gil([&] { self->backward(tape.tape, gradient, dparameters, results.views()); });
  return py::make_tuple(results.x(), results.initial(), parameters.split(flat));
}

template <class T>
void bind_network_of(py::module_& module, const char* name) {
  using namespace py::literals;
  const py::object none = py::none();
  auto of_model = new_class<Network<T>, std::shared_ptr<Network<T>>>(module, name);
  of_model
      .def(py::init([](py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                       const py::kwargs& options) {
             return std::make_shared<Network<T>>(
                 network_config(input_size, hidden_sizes, output_size, options), uninitialised);
           }),
           "input_size"_a, "hidden_sizes"_a, "output_size"_a)
      .def_property_readonly("dtype", [](const Network<T>&) { return py::dtype::of<T>(); })
      .def_property_readonly("options",
                             [](const Network<T>& self) { return options_of(self.config()); })
      .def_property_readonly("parameters", &parameters_of<T>)
      .def_property_readonly("lstm", &Network<T>::lstm)
      .def(
          "initialise",
          [](Network<T>& self, std::uint64_t seed, py::handle recurrent) {
            const Initialisation chosen = parse_initialisation(text(recurrent, "recurrent_init"));
            without_gil([&] { initialise(self, seed, chosen); });
          },
          "seed"_a, "recurrent"_a)
      .def("save", &save_model<Network<T>>, "path"_a, "metadata"_a)
      .def("__call__", &infer<T>, "x"_a, "state"_a = none, "lengths"_a = none, "out"_a = none)
      .def("evaluate", &evaluate<T>, "x"_a, "state"_a = none, "lengths"_a = none)
      .def("forward", &forward<T>, "x"_a, "state"_a = none, "lengths"_a = none, "seed"_a = none,
           "recompute"_a = false)
      .def("trace", &trace<T>, "x"_a, "state"_a = none, "lengths"_a = none)
      .def("release_workspaces", &Network<T>::release_workspaces)
      .def("backward", &backward<T>, "tape"_a, "dy"_a = none, "dstate"_a = none, "dlogits"_a = none,
           "inputs"_a = true);
  define_quantizing<Network, T>(of_model);
}

}  // namespace

void bind_network(py::module_& module) {
  bind_network_of<float>(module, "NetworkFloat32");
  bind_network_of<double>(module, "NetworkFloat64");
}

}  // namespace peephole::binding
