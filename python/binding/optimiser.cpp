#include <memory>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "options.hpp"
#include "parameters.hpp"
#include "turn_lock.hpp"

namespace peephole::binding {
namespace {

/// The numbers that `rule` was given by name.
template <class AnyAdam>
AnyAdam adam_of(const py::kwargs& given) {
  AnyAdam rule;
  rule.beta1 = real(given["beta1"], "beta1");
  rule.beta2 = real(given["beta2"], "beta2");
  rule.epsilon = real(given["epsilon"], "epsilon");
  rule.weight_decay = real(given["weight_decay"], "weight_decay");
  return rule;
}

OptimiserRule rule_of(const std::string& name, const py::kwargs& given) {
  if (name == "Adam") return adam_of<Adam>(given);
  if (name == "AdamW") return adam_of<AdamW>(given);
  if (name == "SGD") {
    return SGD{real(given["momentum"], "momentum"), boolean(given["nesterov"], "nesterov"),
               real(given["weight_decay"], "weight_decay")};
  }
  if (name == "RMSprop") {
    return RMSprop{real(given["rho"], "rho"), real(given["epsilon"], "epsilon"),
                   real(given["momentum"], "momentum"), boolean(given["centred"], "centred"),
                   real(given["weight_decay"], "weight_decay")};
  }
  refuse_value("rule", "one of Adam, AdamW, SGD, RMSprop", '"' + name + '"');
}

/// An optimiser and the parameters that it moves, which it keeps alive. Calls of several threads
/// use it one after the other.
template <class T>
class OptimiserOf {
 public:
  OptimiserOf(const ParametersOf<T>& parameters, const OptimiserRule& rule, double learning_rate)
      : parameters_(parameters),
        optimiser_(*parameters.parameters, rule, learning_rate, parameters.count) {}

  double learning_rate() {
    const TurnLock::Turn turn(lock_, kName);
    return optimiser_.learning_rate();
  }
  void set_learning_rate(py::handle value) {
    const double rate = real(value, "learning_rate");
    const TurnLock::Turn turn(lock_, kName);
    optimiser_.set_learning_rate(rate);
  }
  Index steps() {
    const TurnLock::Turn turn(lock_, kName);
    return optimiser_.steps();
  }

  void step(const py::object& gradients) {
    std::vector<py::array_t<T>> arrays;
    std::vector<const T*> tensors;
    for (Index i = 0; i < parameters_.count; ++i) {
      arrays.push_back(item(gradients, "gradients", parameters_.spec(i).name, i));
      tensors.push_back(arrays.back().data());
    }
    const TurnLock::Turn turn(lock_, kName);
    const WithoutGil release;
    optimiser_.step(tensors);
  }

  py::dict state() {
    const TurnLock::Turn turn(lock_, kName);
    py::dict state;
    for_each_entry([&](const std::string& name, Index i, Span<T> values) {
      state[py::str(name)] = py::array_t<T>(parameters_.shape(i), values.data);
    });
    return state;
  }

  void set_state(const py::object& state, py::handle steps_object) {
    const Index steps = integer(steps_object, "state[steps]");
    std::vector<py::array_t<T>> arrays;
    for_each_entry([&](const std::string& name, Index i, Span<T>) {
      arrays.push_back(item(state, "state", name, i));
    });
    const TurnLock::Turn turn(lock_, kName);
    optimiser_.set_steps(steps);
    auto next = arrays.begin();
    for_each_entry([&](const std::string&, Index, Span<T> values) {
      std::copy_n((next++)->data(), values.size, values.data);
    });
  }

 private:
  static constexpr const char* kName = "optimiser";  // in messages

  /// mapping[name], shaped as parameter i.
  py::array_t<T> item(const py::object& mapping, const std::string& argument,
                      const std::string& name, Index i) const {
    if (!PyMapping_Check(mapping.ptr()) || !py::hasattr(mapping, "keys")) {
      refuse_type(argument, "a mapping of names to arrays", type_text(mapping));
    }
    if (!mapping.contains(name)) {
      refuse_value(argument, "one for each parameter", "none for " + name);
    }
    return numbers<T>(mapping[py::str(name)], argument + "[" + name + "]", parameters_.shape(i));
  }

  template <class F>
  void for_each_entry(F&& f) {
    const auto& names = optimiser_.state_names();
    for (std::size_t k = 0; k < names.size(); ++k) {
      for (Index i = 0; i < parameters_.count; ++i) {
        f(names[k] + "/" + parameters_.spec(i).name, i, optimiser_.state(static_cast<Index>(k), i));
      }
    }
  }

  ParametersOf<T> parameters_;
  Optimiser<T> optimiser_;
  TurnLock lock_;
};

template <class T>
void bind_optimiser_of(py::module_& module, const char* name) {
  using namespace py::literals;
  using Self = OptimiserOf<T>;
  new_class<Self>(module, name)
      .def(py::init([](const ParametersOf<T>& parameters, const std::string& rule,
                       py::handle learning_rate, const py::kwargs& options) {
             return std::make_unique<Self>(parameters, rule_of(rule, options),
                                           real(learning_rate, "learning_rate"));
           }),
           "parameters"_a, "rule"_a, "learning_rate"_a)
      .def_property("learning_rate", &Self::learning_rate, &Self::set_learning_rate)
      .def_property_readonly("steps", &Self::steps)
      .def("step", &Self::step, "gradients"_a)
      .def("state", &Self::state)
      .def("set_state", &Self::set_state, "state"_a, "steps"_a);
}

/// The arrays of a mapping of gradients, all writable, C-contiguous and of dtype T.
template <class T>
struct Writable {
  explicit Writable(const std::vector<std::pair<std::string, py::array>>& gradients) {
    for (const auto& [name, array] : gradients) {
      if (!py::isinstance<py::array_t<T>>(array) || (array.flags() & py::array::c_style) == 0 ||
          !array.writeable()) {
        refuse_type("gradients[" + name + "]",
                    "a writable C-contiguous array of one float dtype for all",
                    "dtype " + std::string(py::str(array.dtype())));
      }
      pointers.push_back(static_cast<T*>(py::array(array).mutable_data()));
      lengths.push_back(array.size());
    }
  }

  Span<T* const> data() const { return {pointers.data(), static_cast<Index>(pointers.size())}; }
  Span<const Index> sizes() const { return {lengths.data(), static_cast<Index>(lengths.size())}; }

  std::vector<T*> pointers;
  std::vector<Index> lengths;
};

/// clip(Writable<T>) of the gradients, T being their dtype.
template <class F>
auto clipped(const py::object& gradients, F&& clip) {
  if (!PyMapping_Check(gradients.ptr()) || !py::hasattr(gradients, "keys")) {
    refuse_type("gradients", "a mapping of names to arrays", type_text(gradients));
  }
  std::vector<std::pair<std::string, py::array>> arrays;
  for (py::handle key : gradients) {
    const py::object value = gradients[key];
    const std::string name = text(key, "gradients");
    if (!py::isinstance<py::array>(value)) {
      refuse_type("gradients[" + name + "]", "an array", type_text(value));
    }
    arrays.emplace_back(name, py::reinterpret_borrow<py::array>(value));
  }
  if (!arrays.empty() && py::isinstance<py::array_t<float>>(arrays.front().second)) {
    return clip(Writable<float>(arrays));
  }
  return clip(Writable<double>(arrays));
}

double bound(py::handle object, const char* argument) {
  const double value = real(object, argument);
  if (!(value > 0)) refuse_value(argument, "a number > 0", std::to_string(value));
  return value;
}

}  // namespace

void bind_optimisers(py::module_& module) {
  using namespace py::literals;
  bind_optimiser_of<float>(module, "OptimiserFloat32");
  bind_optimiser_of<double>(module, "OptimiserFloat64");
  module.def(
      "clip_norm",
      [](const py::object& gradients, py::handle max_norm_object) {
        const double max_norm = bound(max_norm_object, "max_norm");
        return clipped(gradients,
                       [&](const auto& g) { return clip_norm(g.data(), g.sizes(), max_norm); });
      },
      "gradients"_a, "max_norm"_a);
  module.def(
      "clip_value",
      [](const py::object& gradients, py::handle max_value_object) {
        const double max_value = bound(max_value_object, "max_value");
        clipped(gradients, [&](const auto& g) { clip_value(g.data(), g.sizes(), max_value); });
      },
      "gradients"_a, "max_value"_a);
}

}  // namespace peephole::binding
