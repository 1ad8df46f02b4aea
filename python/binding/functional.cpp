#include <pybind11/stl.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "classes.hpp"
#include "flat_arrays.hpp"
#include "gil.hpp"
#include "model.hpp"

/// The passes of an LSTM as functions of arrays: what they read comes in as arguments, what they
/// leave goes out as results, the tape too. For array libraries that keep track of both, such as
/// torch and JAX.
///
/// Parameters are one array in the layout of `flat_layout`, or a list of one array for each. x is
/// (B, T, I), or (T, B, I) with time_major. A state is two arrays h and c, (B, P_k) and (B, H_k)
/// for each layer and direction one after the other, or None for the model's own: zeros, or its
/// learned initial state.
namespace peephole::binding {
namespace {

/// Assigns parameters from one array in the core's flat layout.
template <class T>
void assign_flat(LSTM<T>& self, py::handle object) {
  Parameters<T>& parameters = self.parameters();
  const auto flat = numbers<T>(object, "parameters", Shape{parameters.flat_size()});
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    parameters.assign(i, flat.data() + parameters.offset(i));
  }
}

/// The same from a list of an array for each parameter.
template <class T>
void assign_each(LSTM<T>& self, const py::sequence& values) {
  Parameters<T>& parameters = self.parameters();
  const ParametersOf<T> named{nullptr, &parameters, static_cast<Index>(parameters.specs().size())};
  if (static_cast<Index>(values.size()) != named.count) {
    refuse_value("parameters", std::to_string(named.count) + " arrays",
                 std::to_string(values.size()));
  }
  std::vector<py::array_t<T>> arrays;  // all are checked before one is assigned
  for (Index i = 0; i < named.count; ++i) {
    arrays.push_back(
        numbers<T>(values[static_cast<std::size_t>(i)], named.spec(i).name, named.shape(i)));
  }
  for (Index i = 0; i < named.count; ++i) {
    parameters.assign(i, arrays[static_cast<std::size_t>(i)].data());
  }
}

template <class T>
void assign(LSTM<T>& self, py::handle parameters) {
  if (py::isinstance<py::list>(parameters)) {
    assign_each(self, py::reinterpret_borrow<py::list>(parameters));
  } else {
    assign_flat(self, parameters);
  }
}

/// What a forward pass reads, and what it fills but for the tape.
template <class T>
struct ForwardArrays {
  ForwardArrays(const LSTMConfig& config, py::handle x_object, py::handle h, py::handle c,
                py::handle lengths_object, bool time_major)
      : x(batch_of_sequences<T>(x_object, "x", config.input_size, time_major)),
        lengths(lengths_object, x),
        state(config, x.batch(), h, c, "h", "c"),
        y(x.batch(), x.time(), config.output_size(), time_major),
        final(config, x.batch()) {}

  Call<T> call() const noexcept { return {x.view(), lengths.span(), state.span()}; }
  Outputs<T> outputs() const noexcept { return {y.view, final.views}; }

  Sequences<T> x;
  Lengths lengths;
  FlatStateIn<T> state;
  NewSequences<T> y;
  FlatStateOut<T> final;
};

template <class T>
py::tuple infer_with(LSTM<T>& self, py::handle parameters, py::handle x, py::handle h, py::handle c,
                     py::handle lengths, bool time_major) {
  const ForwardArrays<T> arrays(self.config(), x, h, c, lengths, time_major);
  assign(self, parameters);
  without_gil([&] { self.infer(arrays.call(), arrays.outputs()); });
  return py::make_tuple(arrays.y.array, arrays.final.h, arrays.final.c);
}

/// An array whose memory the next one of this function takes over when it is dropped: see
/// SpareTape.
template <class T>
py::array_t<T> new_tape_memory(Index size) {
  struct Block {
    std::unique_ptr<T[]> values;
    Index size;
  };
  static std::atomic<Block*> spare{nullptr};
  std::unique_ptr<Block> block(spare.exchange(nullptr));
  if (!block || block->size < size) {
    block.reset();
    block = std::make_unique<Block>(
        Block{std::unique_ptr<T[]>(new T[static_cast<std::size_t>(size)]), size});
  }
  T* const values = block->values.get();
  const py::capsule owner(block.get(), [](void* pointer) {
    std::unique_ptr<Block> dropped(static_cast<Block*>(pointer));
    if (static_cast<std::size_t>(dropped->size) * sizeof(T) > SpareTape<T>::kMostBytes) return;
    const std::unique_ptr<Block> before(spare.exchange(dropped.release()));
  });
  block.release();
  return py::array_t<T>(size, values, owner);
}

template <class T>
py::tuple forward_with(LSTM<T>& self, py::handle parameters, py::handle x, py::handle h,
                       py::handle c, py::handle lengths, py::handle seed_object, bool time_major) {
  const ForwardArrays<T> arrays(self.config(), x, h, c, lengths, time_major);
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  auto memory = new_tape_memory<T>(self.tape_size().values(arrays.x.batch(), arrays.x.time()));
  Tape<T> tape(Span<T>{memory.mutable_data(), memory.size()});
  assign(self, parameters);
  without_gil([&] { self.forward(arrays.call(), arrays.outputs(), tape, seed); });
  return py::make_tuple(arrays.y.array, arrays.final.h, arrays.final.c, memory);
}

/// What the backward passes read: the gradients of y and of the final state, and the tape, reopened
/// for the parameters.
template <class T>
struct BackwardArrays {
  BackwardArrays(LSTM<T>& self, py::handle parameters, py::handle tape_object, py::handle dy_object,
                 py::handle dh, py::handle dc, py::handle lengths_object, py::handle seed,
                 bool time_major, bool state_given)
      : dy(batch_of_sequences<T>(dy_object, "dy", self.config().output_size(), time_major)),
        lengths(lengths_object, dy),
        dfinal(self.config(), dy.batch(), dh, dc, "dh", "dc"),
        memory(numbers<T>(tape_object, "tape", /*c_contiguous=*/true)),
        // The core only reads it.
        tape(Span<T>{const_cast<T*>(memory.data()), memory.size()}) {
    assign(self, parameters);
    self.reopen(tape, dy.batch(), dy.time(), lengths.span(), seed_of(seed), state_given);
  }

  Gradient<T> gradient() const { return Gradient<T>::of_y(dy.view(), dfinal.span()); }

  Sequences<T> dy;
  Lengths lengths;
  FlatStateIn<T> dfinal;
  py::array_t<T> memory;
  Tape<T> tape;
};

/// The gradients of x (None if not wanted), h, c, and of the parameters in one flat array.
template <class T>
py::tuple backward_with(LSTM<T>& self, py::handle parameters, py::handle tape, py::handle dy,
                        py::handle dh, py::handle dc, py::handle lengths, py::handle seed,
                        bool time_major, bool inputs, bool state_given) {
  const BackwardArrays<T> arrays(self, parameters, tape, dy, dh, dc, lengths, seed, time_major,
                                 state_given);
  const LSTMConfig& config = self.config();
  const Index B = arrays.dy.batch();
  std::optional<NewSequences<T>> dx;
  if (inputs) dx.emplace(B, arrays.dy.time(), config.input_size, time_major);
  const FlatStateOut<T> dinitial(config, B);
  py::array_t<T> flat(self.parameters().flat_size());
  const Span<T> dparameters{flat.mutable_data(), flat.size()};
  const InputGradients<T> of_inputs{dx ? dx->view : SequenceView<T>{}, dinitial.views};
  without_gil([&] { self.backward(arrays.tape, arrays.gradient(), dparameters, of_inputs); });
  return py::make_tuple(dx ? py::object(dx->array) : py::none(), dinitial.h, dinitial.c, flat);
}

/// The derivatives of what forward_with and backward_with return, but for the tape, along a
/// direction of the parameters, x, h and c, each None or shaped as its value.
template <class T>
py::tuple backward_jvp_with(LSTM<T>& self, py::handle parameters, py::handle tape, py::handle dy,
                            py::handle dh, py::handle dc, py::handle lengths, py::handle seed,
                            bool time_major, py::handle tangent_parameters, py::handle tangent_x,
                            py::handle tangent_h, py::handle tangent_c, bool state_given) {
  const BackwardArrays<T> arrays(self, parameters, tape, dy, dh, dc, lengths, seed, time_major,
                                 state_given);
  const LSTMConfig& config = self.config();
  const Index I = config.input_size, flat_size = self.parameters().flat_size();
  const Index B = arrays.dy.batch(), time = arrays.dy.time();
  const FlatStateIn<T> state(config, B, tangent_h, tangent_c, "tangent_h", "tangent_c");
  Tangents<T> tangents{{}, state.span(), {}};
  std::optional<Sequences<T>> x;
  if (!tangent_x.is_none()) {
    x = batch_of_sequences<T>(tangent_x, "tangent_x", I, time_major);
    tangents.x = x->view();
  }
  py::array_t<T> flat;
  if (!tangent_parameters.is_none()) {
    flat = numbers<T>(tangent_parameters, "tangent_parameters", Shape{flat_size});
    tangents.parameters = {flat.data(), flat.size()};
  }

  const NewSequences<T> y(B, time, config.output_size(), time_major), dx(B, time, I, time_major);
  const FlatStateOut<T> final(config, B), dinitial(config, B);
  py::array_t<T> dparameters(flat_size);
  const PassResults<T> derivatives{{y.view, final.views},
                                   {dparameters.mutable_data(), dparameters.size()},
                                   {dx.view, dinitial.views}};
  without_gil(
      [&] { self.backward_jvp(arrays.tape, arrays.gradient(), tangents, {}, {}, derivatives); });
  return py::make_tuple(y.array, final.h, final.c, dx.array, dinitial.h, dinitial.c, dparameters);
}

/// (name, shape, where it begins) of each parameter in a flat array.
template <class T>
py::list flat_layout(LSTM<T>& self) {
  const Parameters<T>& parameters = self.parameters();
  const ParametersOf<T> named{nullptr, &self.parameters(), 0};
  py::list layout;
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    const py::tuple shape = py::tuple(py::cast(named.shape(i)));
    layout.append(py::make_tuple(named.spec(i).name, shape, parameters.offset(i)));
  }
  return layout;
}

template <class T>
void add_passes(const char* name, py::module_& module) {
  using namespace py::literals;
  auto lstm = py::reinterpret_borrow<py::class_<LSTM<T>, std::shared_ptr<LSTM<T>>>>(
      py::object(module.attr(name)));
  lstm.def_property_readonly("tape_size",
                             [](const LSTM<T>& self) {
                               const TapeSize size = self.tape_size();
                               return py::make_tuple(size.per_step, size.per_sequence, size.fixed);
                             })
      .def_property_readonly("flat_size",
                             [](const LSTM<T>& self) { return self.parameters().flat_size(); })
      .def_property_readonly("flat_layout", &flat_layout<T>)
      .def("infer_with", &infer_with<T>, "parameters"_a, "x"_a, "h"_a, "c"_a, "lengths"_a,
           "time_major"_a)
      .def("forward_with", &forward_with<T>, "parameters"_a, "x"_a, "h"_a, "c"_a, "lengths"_a,
           "seed"_a, "time_major"_a)
      .def("backward_with", &backward_with<T>, "parameters"_a, "tape"_a, "dy"_a, "dh"_a, "dc"_a,
           "lengths"_a, "seed"_a, "time_major"_a, "inputs"_a, "state_given"_a)
      .def("backward_jvp_with", &backward_jvp_with<T>, "parameters"_a, "tape"_a, "dy"_a, "dh"_a,
           "dc"_a, "lengths"_a, "seed"_a, "time_major"_a, "tangent_parameters"_a, "tangent_x"_a,
           "tangent_h"_a, "tangent_c"_a, "state_given"_a);
}

}  // namespace

void bind_functional(py::module_& module) {
  add_passes<float>("LSTMFloat32", module);
  add_passes<double>("LSTMFloat64", module);
}

}  // namespace peephole::binding
