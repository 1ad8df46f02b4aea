#include <pybind11/stl/filesystem.h>

#include <memory>

#include "bindings.hpp"
#include "gil.hpp"
#include "model.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

template <class T>
ParametersOf<T> parameters_of(const std::shared_ptr<Network<T>>& self) {
  const auto count = static_cast<Index>(self->parameters().specs().size());
  return {self, &self->parameters(), count};
}

Index steps_read(const NetworkConfig& config, Index time) {
  return config.readout == Readout::all ? time : 1;
}

/// The shape of y but for the batch axis: (T, O), or (O,) for readout "last".
Shape output_shape(const NetworkConfig& config, Index time) {
  return config.readout == Readout::all ? Shape{time, config.output_size}
                                        : Shape{config.output_size};
}

template <class T>
py::tuple infer(const Network<T>& self, py::handle x, py::handle state, py::handle lengths,
                py::handle out) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  auto y = output_of(out, in.x.shape(output_shape(config, in.x.time())), in, self.parameters());
  const StateOut<T> final(in.shapes);
  const auto y_view = sequence_view<T>(y, in.x.batch(), steps_read(config, in.x.time()));
  {
    const WithoutGil release;
    self.infer(in.x.view(), in.lengths.span(), in.state.span(), y_view, final.span());
  }
  return py::make_tuple(std::move(y), final.tuple());
}

/// infer, with the logits besides: (y, logits, state).
template <class T>
py::tuple evaluate(const Network<T>& self, py::handle x, py::handle state, py::handle lengths) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  const Shape shape = in.x.shape(output_shape(config, in.x.time()));
  py::array_t<T> y(shape), logits(shape);
  const StateOut<T> final(in.shapes);
  const Index steps = steps_read(config, in.x.time());
  const auto y_view = sequence_view<T>(y, in.x.batch(), steps);
  const auto logits_view = sequence_view<T>(logits, in.x.batch(), steps);
  {
    const WithoutGil release;
    self.infer(in.x.view(), in.lengths.span(), in.state.span(), y_view, final.span(), logits_view);
  }
  return py::make_tuple(std::move(y), std::move(logits), final.tuple());
}

template <class T>
py::tuple forward(const Network<T>& self, py::handle x, py::handle state, py::handle lengths,
                  py::handle seed_object, bool recompute) {
  const NetworkConfig& config = self.config();
  const Inputs<T> in(config.lstm, x, state, lengths);
  const Shape shape = in.x.shape(output_shape(config, in.x.time()));
  py::array_t<T> y(shape), logits(shape);
  const StateOut<T> final(in.shapes);
  const Index steps = steps_read(config, in.x.time());
  const auto y_view = sequence_view<T>(y, in.x.batch(), steps);
  const auto logits_view = sequence_view<T>(logits, in.x.batch(), steps);
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  auto tape = std::make_unique<TapeOf<NetworkTape<T>>>(in.x.batched(), recompute);
  {
    const WithoutGil release;
    self.forward(in.x.view(), in.lengths.span(), in.state.span(), y_view, logits_view, final.span(),
                 tape->tape, seed);
  }
  return py::make_tuple(std::move(y), std::move(logits), final.tuple(), std::move(tape));
}

template <class T>
py::tuple backward(const std::shared_ptr<Network<T>>& self, py::handle tape_object, py::handle dy,
                   py::handle dstate, py::handle dlogits, bool inputs) {
  using GradientOf = typename Network<T>::GradientOf;
  if (dy.is_none() == dlogits.is_none()) {
    refuse_value("dy", "exactly one of dy and dlogits", dy.is_none() ? "neither" : "both");
  }
  const auto& tape = tape_of<NetworkTape<T>>(tape_object);
  const NetworkConfig& config = self->config();
  const Index B = tape.tape.batch(), time = tape.tape.time();
  const GradientOf of = dlogits.is_none() ? GradientOf::y : GradientOf::logits;
  const auto gradient =
      numbers<T>(of == GradientOf::y ? dy : dlogits, of == GradientOf::y ? "dy" : "dlogits",
                 tape.shape(output_shape(config, time)));
  const std::vector<Shape> shapes = state_shapes(config.lstm, B, tape.batched);
  const StateIn<T> dfinal(dstate, "dstate", shapes);
  const StateOut<T> dinitial(shapes);
  InputGradient<T> dx(tape, config.lstm.input_size, inputs);
  const ParametersOf<T> parameters = parameters_of(self);
  auto flat = parameters.new_flat();
  const auto gradient_view = sequence_view<const T>(gradient, B, steps_read(config, time));
  T* const dparameters = flat.mutable_data();
  {
    const WithoutGil release;
    self->backward(tape.tape, gradient_view, of, dfinal.span(), dx.view(), dinitial.span(),
                   dparameters);
  }
  return py::make_tuple(dx.object(), dinitial.tuple(), parameters.split(flat));
}

template <class T>
void bind(py::module_& module, const char* name) {
  using namespace py::literals;
  const py::object none = py::none();
  py::class_<Network<T>, std::shared_ptr<Network<T>>>(module, name)
      .def(py::init([](py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                       const py::kwargs& options) {
             return std::make_shared<Network<T>>(
                 network_config(input_size, hidden_sizes, output_size, options));
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
            initialise(self, seed, parse_initialisation(text(recurrent, "recurrent_init")));
          },
          "seed"_a, "recurrent"_a)
      .def("save", &save<Network<T>>, "path"_a, py::call_guard<WithoutGil>())
      .def("__call__", &infer<T>, "x"_a, "state"_a = none, "lengths"_a = none, "out"_a = none)
      .def("evaluate", &evaluate<T>, "x"_a, "state"_a = none, "lengths"_a = none)
      .def("forward", &forward<T>, "x"_a, "state"_a = none, "lengths"_a = none, "seed"_a = none,
           "recompute"_a = false)
      .def("backward", &backward<T>, "tape"_a, "dy"_a = none, "dstate"_a = none, "dlogits"_a = none,
           "inputs"_a = true);
}

}  // namespace

void bind_network(py::module_& module) {
  bind_tape<NetworkTape<float>>(module, "NetworkTapeFloat32");
  bind_tape<NetworkTape<double>>(module, "NetworkTapeFloat64");
  bind<float>(module, "NetworkFloat32");
  bind<double>(module, "NetworkFloat64");
}

}  // namespace peephole::binding
