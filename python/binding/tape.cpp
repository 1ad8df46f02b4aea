#include <utility>

#include "bindings.hpp"
#include "classes.hpp"
#include "model.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

/// {"i", "f", "g", "o", "c": (B, T, H), "h": (B, T, P)}, without B of a single sequence.
template <class T>
py::dict gates(const TapeOf<T>& self, py::handle layer_object, py::handle direction_object) {
  const Index layer = integer(layer_object, "layer");
  const Index direction = integer(direction_object, "direction");
  const Tape<T>& tape = self.tape;
  tape.activities(layer, direction, {});  // refuses what cannot be
  Activities<T> views;
  py::dict arrays;
  const std::pair<const char*, SequenceView<T>*> all[] = {{"i", &views.i}, {"f", &views.f},
                                                          {"g", &views.g}, {"o", &views.o},
                                                          {"c", &views.c}, {"h", &views.h}};
  for (const auto& [name, view] : all) {
    const bool is_h = view == &views.h;
    const Index size = is_h ? tape.recurrent_size(layer) : tape.hidden_size(layer);
    py::array_t<T> array(self.shape({tape.time(), size}));
    *view = sequence_view<T>(array, tape.batch(), tape.time());
    arrays[name] = std::move(array);
  }
  tape.activities(layer, direction, views);
  return arrays;
}

template <class T>
void bind_tape_of(py::module_& module, const char* name) {
  using namespace py::literals;
  using Self = TapeOf<T>;
  new_class<Self>(module, name)
      .def_property_readonly("nbytes", [](const Self& self) { return self.tape.bytes(); })
      .def_property_readonly("batch", [](const Self& self) { return self.tape.batch(); })
      .def_property_readonly("time", [](const Self& self) { return self.tape.time(); })
      .def_property_readonly("logits", [](const Self& self) { return self.logits; })
      .def("gates", &gates<T>, "layer"_a = 0, "direction"_a = 0)
      .def("__repr__", [](const Self& self) {
        return "<tape of " + std::to_string(self.tape.batch()) + " sequences, " +
               std::to_string(self.tape.time()) + " steps, " + std::to_string(self.tape.bytes()) +
               " bytes>";
      });
}

}  // namespace

void bind_tape(py::module_& module) {
  bind_tape_of<float>(module, "TapeFloat32");
  bind_tape_of<double>(module, "TapeFloat64");
}

}  // namespace peephole::binding
