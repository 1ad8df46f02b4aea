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
  const Outputs<T> outputs{sequence_view<T>(y, in.x.batch(), in.x.time()), final.span()};
  without_gil([&] { self.infer(in.call(), outputs); });
  return py::make_tuple(std::move(y), final.tuple());
}

/// (y, state, tape) of run(call, outputs, tape).
template <class T, class Run>
py::tuple fill_tape(const LSTM<T>& self, const Inputs<T>& in, bool recompute, Run&& run) {
  py::array_t<T> y(in.x.shape({in.x.time(), self.config().output_size()}));
  const StateOut<T> final(in.shapes);
  const Outputs<T> outputs{sequence_view<T>(y, in.x.batch(), in.x.time()), final.span()};
  auto tape = std::make_unique<TapeOf<T>>(in.x.batched(), recompute);
  without_gil([&] { run(in.call(), outputs, tape->tape); });
  return py::make_tuple(std::move(y), final.tuple(), std::move(tape));
}

template <class T>
py::tuple forward(const LSTM<T>& self, py::handle x, py::handle state, py::handle lengths,
                  py::handle seed_object, bool recompute) {
  const Inputs<T> in(self.config(), x, state, lengths);
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  return fill_tape(self, in, recompute, [&](const auto& call, const auto& outputs, Tape<T>& tape) {
    self.forward(call, outputs, tape, seed);
  });
}

template <class T>
py::tuple trace(const LSTM<T>& self, py::handle x, py::handle state, py::handle lengths) {
  const Inputs<T> in(self.config(), x, state, lengths);
  return fill_tape(self, in, /*recompute=*/false,
                   [&](const auto& call, const auto& outputs, Tape<T>& tape) {
                     self.trace(call, outputs, tape);
                   });
}

template <class T>
py::tuple backward(const std::shared_ptr<LSTM<T>>& self, py::handle tape_object, py::handle dy,
                   py::handle dstate, bool inputs) {
  const TapeOf<T>& tape = tape_of<T>(tape_object, /*of_network=*/false);
  const LSTMConfig& config = self->config();
  const Index B = tape.tape.batch(), time = tape.tape.time();
  const auto dy_array = numbers<T>(dy, "dy", tape.shape({time, config.output_size()}));
  const StateIn<T> dfinal(dstate, "dstate", state_shapes(config, B, tape.batched));
  const InputGradientsOf<T> results(tape, config, inputs);
  const ParametersOf<T> parameters = parameters_of(self);
  auto flat = parameters.new_flat();
  const auto gradient = Gradient<T>::of_y(sequence_view<const T>(dy_array, B, time), dfinal.span());
  const Span<T> dparameters{flat.mutable_data(), flat.size()};
  without_gil([&] { self->backward(tape.tape, gradient, dparameters, results.views()); });
  return py::make_tuple(results.x(), results.initial(), parameters.split(flat));
}

template <class T>
void bind_lstm_of(py::module_& module, const char* name) {
  using namespace py::literals;
  const py::object none = py::none();
  auto of_model = new_class<LSTM<T>, std::shared_ptr<LSTM<T>>>(module, name);
  of_model
      .def(py::init([](py::handle input_size, py::handle hidden_sizes, const py::kwargs& options) {
             return std::make_shared<LSTM<T>>(lstm_config(input_size, hidden_sizes, options),
                                              uninitialised);
           }),
           "input_size"_a, "hidden_sizes"_a)
      .def_property_readonly("dtype", [](const LSTM<T>&) { return py::dtype::of<T>(); })
      .def_property_readonly("options",
                             [](const LSTM<T>& self) { return options_of(self.config()); })
      .def_property_readonly("parameters", &parameters_of<T>)
      .def(
          "initialise",
          [](LSTM<T>& self, std::uint64_t seed, py::handle recurrent) {
            const Initialisation chosen = parse_initialisation(text(recurrent, "recurrent_init"));
            without_gil([&] { initialise(self, seed, chosen); });
          },
          "seed"_a, "recurrent"_a)
      .def("save", &save_model<LSTM<T>>, "path"_a, "metadata"_a)
      .def("__call__", &infer<T>, "x"_a, "state"_a = none, "lengths"_a = none, "out"_a = none)
      .def("forward", &forward<T>, "x"_a, "state"_a = none, "lengths"_a = none, "seed"_a = none,
           "recompute"_a = false)
      .def("trace", &trace<T>, "x"_a, "state"_a = none, "lengths"_a = none)
      .def("release_workspaces", &LSTM<T>::release_workspaces)
      .def("backward", &backward<T>, "tape"_a, "dy"_a, "dstate"_a = none, "inputs"_a = true);
  define_quantizing<LSTM, T>(of_model);
}

}  // namespace

void bind_lstm(py::module_& module) {
  bind_lstm_of<float>(module, "LSTMFloat32");
  bind_lstm_of<double>(module, "LSTMFloat64");
}

}  // namespace peephole::binding
