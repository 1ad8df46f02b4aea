#include "options.hpp"

#include "arrays.hpp"

namespace peephole::binding {
namespace {

Activations activations_of(py::handle mapping) {
  if (!py::isinstance<py::dict>(mapping)) {
    refuse_type("activations", "a mapping per layer", type_text(mapping));
  }
  Activations activations;
  for (const auto& [key, name] : py::reinterpret_borrow<py::dict>(mapping)) {
    const std::string letter = text(key, "activations");
    Activation* const activation = letter.size() == 1 ? activations.find(letter[0]) : nullptr;
    if (!activation) refuse_value("activations", "keys among i, f, g, o, c", '"' + letter + '"');
    *activation = parse_activation(text(name, "activations"));
  }
  return activations;
}

/// Sets one option; false if it is none of an LSTM's.
bool set_option(LSTMConfig& config, const std::string& name, py::handle value) {
  if (name == "peephole") {
    config.peephole = parse_peephole(text(value, name));
  } else if (name == "peephole_gates") {
    config.peephole_gates = parse_gates(text(value, name));
  } else if (name == "output_peephole") {
    config.output_peephole = parse_output_peephole(text(value, name));
  } else if (name == "bias") {
    config.bias = boolean(value, name);
  } else if (name == "coupled_input_forget") {
    config.coupled_input_forget = boolean(value, name);
  } else if (name == "bidirectional") {
    config.bidirectional = boolean(value, name);
  } else if (name == "dropout") {
    config.dropout = real(value, name);
  } else if (name == "recurrent_dropout") {
    config.recurrent_dropout = real(value, name);
  } else if (name == "zoneout") {
    config.zoneout = real(value, name);
  } else if (name == "activations") {
    for (py::handle mapping : value) config.activations.push_back(activations_of(mapping));
  } else {
    return false;
  }
  return true;
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
  LSTMConfig config;
  config.input_size = integer(input_size, "input_size");
  for (py::handle size : hidden_sizes) {
    config.hidden_sizes.push_back(integer(size, "hidden_size"));
  }
  for (const auto& [name, value] : options) {
    if (!set_option(config, text(name, "options"), value)) {
      refuse_type("options", "those of LSTM", "\"" + text(name, "options") + "\"");
    }
  }
  return config;
}

NetworkConfig network_config(py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                             py::dict options) {
  NetworkConfig config;
  config.output_size = integer(output_size, "output_size");
  py::dict rest;
  for (const auto& [key, value] : options) {
    const std::string name = text(key, "options");
    if (name == "head") {
      config.head = parse_head_activation(text(value, name));
    } else if (name == "readout") {
      config.readout = parse_readout(text(value, name));
    } else {
      rest[key] = value;
    }
  }
  config.lstm = lstm_config(input_size, hidden_sizes, rest);
  return config;
}

py::dict options_of(const LSTMConfig& config) {
  py::list hidden_sizes, activations;
  for (Index size : config.hidden_sizes) hidden_sizes.append(size);
  for (const Activations& layer : config.activations) {
    py::dict mapping;
    for (char key : Activations::kKeys) mapping[py::str(&key, 1)] = to_string(*layer.find(key));
    activations.append(mapping);
  }
  py::dict options;
  options["input_size"] = config.input_size;
  options["hidden_sizes"] = hidden_sizes;
  options["peephole"] = to_string(config.peephole);
  options["peephole_gates"] = to_string(config.peephole_gates);
  options["output_peephole"] = to_string(config.output_peephole);
  options["bias"] = config.bias;
  options["activations"] = activations;
  options["coupled_input_forget"] = config.coupled_input_forget;
  options["bidirectional"] = config.bidirectional;
  options["dropout"] = config.dropout;
  options["recurrent_dropout"] = config.recurrent_dropout;
  options["zoneout"] = config.zoneout;
  return options;
}

py::dict options_of(const NetworkConfig& config) {
  py::dict options = options_of(config.lstm);
  options["output_size"] = config.output_size;
  options["head"] = to_string(config.head);
  options["readout"] = to_string(config.readout);
  return options;
}

}  // namespace peephole::binding
