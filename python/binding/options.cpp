#include "options.hpp"

#include <optional>
#include <type_traits>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "peephole/options.hpp"

namespace peephole::binding {
namespace {

/// The key of the units of each layer in Python's dict of options.
constexpr char kHiddenSizes[] = "hidden_sizes";

Activations activations_of(py::handle mapping) {
  if (!py::isinstance<py::dict>(mapping)) {
    refuse_type("activations", "a mapping per layer", type_text(mapping));
  }
  Activations activations;
  for (const auto& [key, name] : copy_of(mapping)) {
    const std::string letter = text(key, "activations");
    Activation* const activation = letter.size() == 1 ? activations.find(letter[0]) : nullptr;
    if (!activation) refuse_value("activations", "keys among i, f, g, o, c", '"' + letter + '"');
    *activation = parse_activation(text(name, "activations"));
  }
  return activations;
}

// From Python: one function for each type of an option.

void set(bool& target, py::handle value, const char* name) { target = boolean(value, name); }
void set(double& target, py::handle value, const char* name) { target = real(value, name); }
void set(Index& target, py::handle value, const char* name) { target = integer(value, name); }
void set(GateSet& target, py::handle value, const char* name) {
  target = parse_gates(text(value, name));
}
void set(std::vector<Activations>& target, py::handle value, const char*) {
  for (py::handle mapping : value) target.push_back(activations_of(mapping));
}
template <class Enum>
std::enable_if_t<std::is_enum_v<Enum>> set(Enum& target, py::handle value, const char* name) {
  target = parse<Enum>(name, text(value, name));
}

template <class Value>
void set(std::optional<Value>& target, py::handle value, const char* name) {
  if (value.is_none()) return target.reset();
  set(target.emplace(), value, name);
}

template <class Config>
void set_options(Config& config, const py::dict& options) {
  for (const auto& [key, object] : options) {
    const std::string name = text(key, "options");
    bool known = false;
    for_each_option(config, [&, &object = object](const auto& row, auto& value) {
      if (name != row.name) return;
      set(value, object, row.name);
      known = true;
    });
    if (!known) refuse_type("options", "those of the model", '"' + name + '"');
  }
}

// To Python.

py::object to_python(bool value) { return py::bool_(value); }
py::object to_python(double value) { return py::float_(value); }
py::object to_python(Index size) { return py::int_(size); }
py::object to_python(GateSet gates) { return py::str(to_string(gates)); }
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
py::object to_python(Enum value) {
  return py::str(to_string(value));
}
template <class Value>
py::object to_python(const std::optional<Value>& value) {
  return value ? to_python(*value) : py::none();
}
py::object to_python(const std::vector<Index>& sizes) {
  py::list list;
  for (const Index size : sizes) list.append(size);
  return list;
}
py::object to_python(const std::vector<Activations>& layers) {
  py::list list;
  for (const Activations& layer : layers) {
    py::dict mapping;
    for (char key : Activations::kKeys) mapping[py::str(&key, 1)] = to_string(*layer.find(key));
    list.append(mapping);
  }
  return list;
}

template <class Config>
py::dict dict_of(const Config& config) {
  py::dict options;
  for_each_size(config, [&](const auto& row, const auto& value) {
    using Value = std::decay_t<decltype(value)>;
    const bool units = std::is_same_v<Value, std::vector<Index>>;
    options[units ? kHiddenSizes : row.name] = to_python(value);
  });
  for_each_option(
      config, [&](const auto& row, const auto& value) { options[row.name] = to_python(value); });
  return options;
}

template <class Enum>
py::list names_list() {
  py::list list;
  for (const Name<Enum>& name : names<Enum>()) list.append(name.text);
  return list;
}

/// {option: its values} of the options whose values have names.
py::dict option_choices() {
  py::dict choices;
  const NetworkConfig config;
  for_each_option(config, [&](const auto& row, const auto& value) {
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_enum_v<Value>) choices[row.name] = names_list<Value>();
    if constexpr (is_optional_enum<Value>) {
      choices[row.name] = names_list<typename Value::value_type>();
    }
  });
  return choices;
}

/// {option: its default} of all options but the sizes.
py::dict option_defaults() {
  py::dict defaults;
  const NetworkConfig config;
  for_each_option(config, [&](const auto& row, const auto&) {
    defaults[row.name] = to_python(row.default_value());
  });
  return defaults;
}

LSTMConfig with_sizes(py::handle input_size, py::handle hidden_sizes) {
  LSTMConfig config;
  config.input_size = integer(input_size, "input_size");
  for (py::handle size : hidden_sizes) {
    config.hidden_sizes.push_back(integer(size, "hidden_size"));
  }
  return config;
}

}  // namespace

Index integer(py::handle object, const std::string& argument) {
  if (py::isinstance<py::bool_>(object) || !PyIndex_Check(object.ptr())) {
    refuse_type(argument, "an integer", type_text(object));
  }
  const auto exact = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!exact) throw py::error_already_set();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(exact.ptr(), &overflow);
  if (overflow != 0) {
    refuse_value(argument, "an integer of at most 63 bits", std::string(py::str(exact)));
  }
  return static_cast<Index>(value);
}

std::string text(py::handle object, const std::string& argument) {
  if (!py::isinstance<py::str>(object)) refuse_type(argument, "a string", type_text(object));
  return py::cast<std::string>(object);
}

bool boolean(py::handle object, const std::string& argument) {
  if (!py::isinstance<py::bool_>(object) && type_text(object) != "numpy.bool" &&
      type_text(object) != "numpy.bool_") {
    refuse_type(argument, "True or False", type_text(object));
  }
  return py::bool_(py::reinterpret_borrow<py::object>(object));
}

double real(py::handle object, const std::string& argument) {
  const double value = py::isinstance<py::str>(object) ? -1 : PyFloat_AsDouble(object.ptr());
  if (PyErr_Occurred() || py::isinstance<py::str>(object)) {
    PyErr_Clear();
    refuse_type(argument, "a real number", type_text(object));
  }
  return value;
}

LSTMConfig lstm_config(py::handle input_size, py::handle hidden_sizes, const py::dict& options) {
  LSTMConfig config = with_sizes(input_size, hidden_sizes);
  set_options(config, options);
  return config;
}

NetworkConfig network_config(py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                             const py::dict& options) {
  NetworkConfig config;
  config.lstm = with_sizes(input_size, hidden_sizes);
  config.output_size = integer(output_size, "output_size");
  set_options(config, options);
  return config;
}

py::dict options_of(const LSTMConfig& config) { return dict_of(config); }
py::dict options_of(const NetworkConfig& config) { return dict_of(config); }

void bind_options(py::module_& module) {
  module.def("activation_names", &names_list<Activation>);
  module.def("option_choices", &option_choices);
  module.def("option_defaults", &option_defaults);
}

}  // namespace peephole::binding
