#include <pybind11/stl/filesystem.h>

#include <memory>

#include "bindings.hpp"
#include "gil.hpp"
#include "model.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

template <class T>
ParametersOf<T> parameters_of(const std::shared_ptr<LSTM<T>>& self) {
  const auto count = static_cast<Index>(parameter_specs(self->config()).size());
  return {self, &self->parameters(), count};
}

template <class T>
py::tuple infer(const LSTM<T>& self, py::handle x, py::handle state, py::handle lengths,
                py::handle out) {
  const Inputs<T> in(self.config(), x, state, lengths);
  const Shape shape = in.x.shape({in.x.time(), self.config().output_size()});
  auto y = output_of(out, shape, in, self.parameters());
  const StateOut<T> final(in.shapes);
  const auto y_view = sequence_view<T>(y, in.x.batch(), in.x.time());
  {
    const WithoutGil release;
    self.infer(in.x.view(), in.lengths.span(), in.state.span(), y_view, final.span());
  }
  return py::make_tuple(std::move(y), final.tuple());
}

template <class T>
py::tuple forward(const LSTM<T>& self, py::handle x, py::handle state, py::handle lengths,
                  py::handle seed_object, bool recompute) {
  const Inputs<T> in(self.config(), x, state, lengths);
  py::array_t<T> y(in.x.shape({in.x.time(), self.config().output_size()}));
  const StateOut<T> final(in.shapes);
  const auto y_view = sequence_view<T>(y, in.x.batch(), in.x.time());
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  auto tape = std::make_unique<TapeOf<Tape<T>>>(in.x.batched(), recompute);
  {
    const WithoutGil release;
    self.forward(in.x.view(), in.lengths.span(), in.state.span(), y_view, final.span(), tape->tape,
                 seed);
  }
  return py::make_tuple(std::move(y), final.tuple(), std::move(tape));
}

template <class T>
py::tuple backward(const std::shared_ptr<LSTM<T>>& self, py::handle tape_object, py::handle dy,
                   py::handle dstate, bool inputs) {
  const auto& tape = tape_of<Tape<T>>(tape_object);
  const LSTMConfig& config = self->config();
  const Index B = tape.tape.batch(), time = tape.tape.time();
  const auto dy_array = numbers<T>(dy, "dy", tape.shape({time, config.output_size()}));
  const std::vector<Shape> shapes = state_shapes(config, B, tape.batched);
  const StateIn<T> dfinal(dstate, "dstate", shapes);
  const StateOut<T> dinitial(shapes);
  InputGradient<T> dx(tape, config.input_size, inputs);
  const ParametersOf<T> parameters = parameters_of(self);
  auto flat = parameters.new_flat();
  const auto dy_view = sequence_view<const T>(dy_array, B, time);
  T* const dparameters = flat.mutable_data();
  {
    const WithoutGil release;
    self->backward(tape.tape, dy_view, dfinal.span(), dx.view(), dinitial.span(), dparameters);
  }
  return py::make_tuple(dx.object(), dinitial.tuple(), parameters.split(flat));
}

template <class T>
void bind(py::module_& module, const char* name) {
  using namespace py::literals;
  const py::object none = py::none();
  py::class_<LSTM<T>, std::shared_ptr<LSTM<T>>>(module, name)
      .def(py::init([](py::handle input_size, py::handle hidden_sizes, const py::kwargs& options) {
             return std::make_shared<LSTM<T>>(lstm_config(input_size, hidden_sizes, options));
           }),
           "input_size"_a, "hidden_sizes"_a)
      .def_property_readonly("dtype", [](const LSTM<T>&) { return py::dtype::of<T>(); })
      .def_property_readonly("options",
                             [](const LSTM<T>& self) { return options_of(self.config()); })
      .def_property_readonly("parameters", &parameters_of<T>)
      .def(
          "initialise",
          [](LSTM<T>& self, std::uint64_t seed, py::handle recurrent) {
            initialise(self, seed, parse_initialisation(text(recurrent, "recurrent_init")));
          },
          "seed"_a, "recurrent"_a)
      .def("save", &save<LSTM<T>>, "path"_a, py::call_guard<WithoutGil>())
      .def("__call__", &infer<T>, "x"_a, "state"_a = none, "lengths"_a = none, "out"_a = none)
      .def("forward", &forward<T>, "x"_a, "state"_a = none, "lengths"_a = none, "seed"_a = none,
           "recompute"_a = false)
      .def("backward", &backward<T>, "tape"_a, "dy"_a, "dstate"_a = none, "inputs"_a = true);
}

}  // namespace

void bind_lstm(py::module_& module) {
  bind_tape<Tape<float>>(module, "TapeFloat32");
  bind_tape<Tape<double>>(module, "TapeFloat64");
  bind<float>(module, "LSTMFloat32");
  bind<double>(module, "LSTMFloat64");
}

}  // namespace peephole::binding
