#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "model.hpp"

/// jvp and backward_jvp of LSTM and Network.
namespace peephole::binding {
namespace {

template <class T>
const LSTMConfig& stack_config(const LSTM<T>& model) {
  return model.config();
}
template <class T>
const LSTMConfig& stack_config(const Network<T>& model) {
  return model.config().lstm;
}

/// The shape of y but for the batch axis, and its steps in the core.
template <class T>
Shape shape_of_y(const LSTM<T>& model, Index time) {
  return {time, model.config().output_size()};
}
template <class T>
Shape shape_of_y(const Network<T>& model, Index time) {
  const NetworkConfig& config = model.config();
  return config.readout == Readout::all ? Shape{time, config.output_size}
                                        : Shape{config.output_size};
}
template <class T>
Index steps_of_y(const LSTM<T>&, Index time) {
  return time;
}
template <class T>
Index steps_of_y(const Network<T>& model, Index time) {
  return model.config().readout == Readout::all ? time : 1;
}

template <class T>
ParametersOf<T> named_parameters(const std::shared_ptr<LSTM<T>>& self) {
  return {self, &self->parameters(), static_cast<Index>(parameter_specs(self->config()).size())};
}
template <class T>
ParametersOf<T> named_parameters(const std::shared_ptr<Network<T>>& self) {
  return {self, &self->parameters(), static_cast<Index>(self->parameters().specs().size())};
}

/// A direction: x shaped as that of the call, a state, and {name: array} of parameters; each may be
/// None.
template <class T>
class TangentsIn {
 public:
  TangentsIn(py::handle x, py::handle state, py::handle parameters, const ParametersOf<T>& named,
             const Shape& shape_of_x, const std::vector<StateShape>& shapes, Index batch,
             Index time)
      : state_(state, "tangents.state", shapes) {
    if (!x.is_none()) {
      x_ = numbers<T>(x, "tangents.x", shape_of_x);
      view_.x = sequence_view<const T>(x_, batch, time);
    }
    view_.initial = state_.span();
    if (parameters.is_none()) return;
    if (!py::isinstance<py::dict>(parameters)) {
      refuse_type("tangents.parameters", "a mapping of names to arrays", type_text(parameters));
    }
    flat_ = named.new_flat();
    std::fill_n(flat_.mutable_data(), flat_.size(), T{0});
    for (const auto& [name, value] : copy_of(parameters)) {
      if (!py::isinstance<py::str>(name)) {
        refuse_type("tangents.parameters", "names as keys", type_text(name));
      }
      const auto key = py::cast<std::string>(name);
      const Index i = index_of(key, named);
      const auto array = numbers<T>(value, "tangents.parameters['" + key + "']", named.shape(i));
      std::copy_n(array.data(), array.size(), flat_.mutable_data() + named.parameters->offset(i));
    }
    view_.parameters = {flat_.data(), flat_.size()};
  }

  const Tangents<T>& view() const noexcept { return view_; }

 private:
  static Index index_of(const std::string& name, const ParametersOf<T>& named) {
    const Index i = named.parameters->find(name);
    if (i >= 0 && i < named.count) return i;
    std::string known;
    for (Index k = 0; k < named.count; ++k) known += (k > 0 ? ", " : "") + named.spec(k).name;
    refuse_value("tangents.parameters", "names among " + known, "'" + name + "'");
  }

  py::array_t<T> x_, flat_;
  StateIn<T> state_;
  Tangents<T> view_;
};

/// New arrays for y and the final state, or for their derivatives.
template <class T>
struct NewOutputs {
  NewOutputs(const Shape& shape, const std::vector<StateShape>& shapes, Index batch, Index steps)
      : y(shape), final(shapes), view{sequence_view<T>(y, batch, steps), final.span()} {}

  py::tuple tuple() const { return py::make_tuple(y, final.tuple()); }

  py::array_t<T> y;
  StateOut<T> final;
  Outputs<T> view;
};

/// ((y, state), (their derivatives)).
template <class T, class Model>
py::tuple jvp(const std::shared_ptr<Model>& self, py::handle x, py::handle state,
              py::handle lengths, py::handle tangent_x, py::handle tangent_state,
              py::handle tangent_parameters, py::handle seed_object) {
  const LSTMConfig& config = stack_config(*self);
  const Inputs<T> in(config, x, state, lengths);
  const Index B = in.x.batch(), time = in.x.time();
  const TangentsIn<T> tangents(tangent_x, tangent_state, tangent_parameters, named_parameters(self),
                               in.x.shape({time, config.input_size}), in.shapes, B, time);
  const std::optional<std::uint64_t> seed = seed_of(seed_object);
  const Shape shape = in.x.shape(shape_of_y(*self, time));
  const Index steps = steps_of_y(*self, time);
  const NewOutputs<T> values(shape, in.shapes, B, steps), moved(shape, in.shapes, B, steps);
  without_gil([&] { self->jvp(in.call(), tangents.view(), values.view, moved.view, seed); });
  return py::make_tuple(values.tuple(), moved.tuple());
}

/// The gradient that backward begins with, or its tangent. name: "dy" or "dlogits", or those with
/// "_tangent".
template <class T>
struct GradientIn {
  GradientIn(py::handle outputs, const std::string& name, py::handle state,
             const std::string& state_name, const Shape& shape,
             const std::vector<StateShape>& shapes, Index batch, Index steps)
      : dy(outputs.is_none() ? py::array_t<T>(shape) : numbers<T>(outputs, name, shape)),
        dfinal(state, state_name, shapes) {
    if (outputs.is_none()) std::fill_n(dy.mutable_data(), dy.size(), T{0});
    view = sequence_view<const T>(dy, batch, steps);
  }

  Gradient<T> gradient(bool of_y) const {
    return of_y ? Gradient<T>::of_y(view, dfinal.span())
                : Gradient<T>::of_logits(view, dfinal.span());
  }

  py::array_t<T> dy;
  StateIn<T> dfinal;
  SequenceView<const T> view;
};

/// ((dx or None, dinitial, dparameters), (their derivatives)).
template <class T, class Model>
py::tuple backward_jvp(const std::shared_ptr<Model>& self, py::handle tape_object, py::handle dy,
                       py::handle dstate, bool of_y, py::handle tangent_x, py::handle tangent_state,
                       py::handle tangent_parameters, py::handle dy_tangent,
                       py::handle dstate_tangent, bool inputs) {
  const TapeOf<T>& tape = tape_of<T>(tape_object, std::is_same_v<Model, Network<T>>);
  const LSTMConfig& config = stack_config(*self);
  const Index B = tape.tape.batch(), time = tape.tape.time(), steps = steps_of_y(*self, time);
  const Shape shape = tape.shape(shape_of_y(*self, time));
  const std::vector<StateShape> shapes = state_shapes(config, B, tape.batched);
  const ParametersOf<T> parameters = named_parameters(self);
  const std::string name = of_y ? "dy" : "dlogits";
  const GradientIn<T> gradient(dy, name, dstate, "dstate", shape, shapes, B, steps);
  const GradientIn<T> gradient_tangent(dy_tangent, name + "_tangent", dstate_tangent,
                                       "dstate_tangent", shape, shapes, B, steps);
  const TangentsIn<T> tangents(tangent_x, tangent_state, tangent_parameters, parameters,
                               tape.shape({time, config.input_size}), shapes, B, time);
  const InputGradientsOf<T> values(tape, config, inputs), moved(tape, config, inputs);
  auto flat = parameters.new_flat(), moved_flat = parameters.new_flat();
  const PassResults<T> of_values{{}, {flat.mutable_data(), flat.size()}, values.views()};
  const PassResults<T> of_moved{{}, {moved_flat.mutable_data(), moved_flat.size()}, moved.views()};
  without_gil([&] {
    self->backward_jvp(tape.tape, gradient.gradient(of_y), tangents.view(),
                       gradient_tangent.gradient(of_y), of_values, of_moved);
  });
  return py::make_tuple(py::make_tuple(values.x(), values.initial(), parameters.split(flat)),
                        py::make_tuple(moved.x(), moved.initial(), parameters.split(moved_flat)));
}

template <class T, class Model>
void add_derivatives(const char* name, py::module_& module) {
  using namespace py::literals;
  py::reinterpret_borrow<py::class_<Model, std::shared_ptr<Model>>>(py::object(module.attr(name)))
      .def("jvp", &jvp<T, Model>, "x"_a, "state"_a, "lengths"_a, "tangent_x"_a, "tangent_state"_a,
           "tangent_parameters"_a, "seed"_a)
      .def("backward_jvp", &backward_jvp<T, Model>, "tape"_a, "dy"_a, "dstate"_a, "of_y"_a,
           "tangent_x"_a, "tangent_state"_a, "tangent_parameters"_a, "dy_tangent"_a,
           "dstate_tangent"_a, "inputs"_a);
}

}  // namespace

void bind_derivatives(py::module_& module) {
  add_derivatives<float, LSTM<float>>("LSTMFloat32", module);
  add_derivatives<double, LSTM<double>>("LSTMFloat64", module);
  add_derivatives<float, Network<float>>("NetworkFloat32", module);
  add_derivatives<double, Network<double>>("NetworkFloat64", module);
}

}  // namespace peephole::binding
