#include <string>
#include <vector>

#include "bindings.hpp"
#include "options.hpp"
#include "parameters.hpp"

namespace peephole::binding {
namespace {

/// An optimiser and the parameters it moves.
template <class T>
class AdamOf {
 public:
  AdamOf(const ParametersOf<T>& parameters, const typename Adam<T>::Options& options)
      : parameters_(parameters), adam_(sizes(parameters), options) {}

  Adam<T>& adam() noexcept { return adam_; }
  const Adam<T>& adam() const noexcept { return adam_; }

  void step(const py::object& gradients) {
    std::vector<py::array_t<T>> arrays;
    std::vector<T*> theta;
    std::vector<const T*> g;
    for (Index i = 0; i < parameters_.count; ++i) {
      const std::string& name = parameters_.spec(i).name;
      if (!gradients.contains(name)) {
        refuse_value("gradients", "one for each parameter", "none for " + name);
      }
      arrays.push_back(
          numbers<T>(gradients[py::str(name)], "gradients[" + name + "]", parameters_.shape(i)));
      g.push_back(arrays.back().data());
      theta.push_back(parameters_.parameters->mutable_flat() + parameters_.parameters->offset(i));
    }
    {
      const py::gil_scoped_release release;
      adam_.step({theta.data(), parameters_.count}, {g.data(), parameters_.count});
    }
    parameters_.parameters->touch();
  }

 private:
  static std::vector<Index> sizes(const ParametersOf<T>& parameters) {
    std::vector<Index> sizes;
    for (Index i = 0; i < parameters.count; ++i) sizes.push_back(parameters.spec(i).size());
    return sizes;
  }

  ParametersOf<T> parameters_;
  Adam<T> adam_;
};

template <class T>
void bind(py::module_& module, const char* name) {
  using namespace py::literals;
  py::class_<AdamOf<T>>(module, name)
      .def(py::init([](const ParametersOf<T>& parameters, py::handle learning_rate,
                       py::handle beta1, py::handle beta2, py::handle epsilon) {
             return AdamOf<T>(parameters,
                              {real(learning_rate, "learning_rate"), real(beta1, "beta1"),
                               real(beta2, "beta2"), real(epsilon, "epsilon")});
           }),
           "parameters"_a, "learning_rate"_a = 1e-3, "beta1"_a = 0.9, "beta2"_a = 0.999,
           "epsilon"_a = 1e-8)
      .def_property(
          "learning_rate",
          [](const AdamOf<T>& self) { return self.adam().options().learning_rate; },
          [](AdamOf<T>& self, py::handle value) {
            self.adam().set_learning_rate(real(value, "learning_rate"));
          })
      .def_property_readonly("steps", [](const AdamOf<T>& self) { return self.adam().steps(); })
      .def("step", &AdamOf<T>::step, "gradients"_a);
}

/// The arrays of `gradients`, all writable, C-contiguous and of dtype T, clipped in place.
template <class T>
double clip(const std::vector<std::pair<std::string, py::array>>& gradients, double max_norm) {
  std::vector<T*> data;
  std::vector<Index> sizes;
  for (const auto& [name, array] : gradients) {
    if (!py::isinstance<py::array_t<T>>(array) || (array.flags() & py::array::c_style) == 0 ||
        !array.writeable()) {
      refuse_type("gradients[" + name + "]",
                  "a writable C-contiguous array of one float dtype for all",
                  "dtype " + std::string(py::str(array.dtype())));
    }
    data.push_back(static_cast<T*>(py::array(array).mutable_data()));
    sizes.push_back(array.size());
  }
  const auto count = static_cast<Index>(data.size());
  return clip_norm<T>({data.data(), count}, {sizes.data(), count}, max_norm);
}

double clip_norm_of(const py::object& gradients, py::handle max_norm_object) {
  const double max_norm = real(max_norm_object, "max_norm");
  if (!(max_norm > 0)) refuse_value("max_norm", "a number > 0", std::to_string(max_norm));
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
    return clip<float>(arrays, max_norm);
  }
  return clip<double>(arrays, max_norm);
}

}  // namespace

void bind_adam(py::module_& module) {
  using namespace py::literals;
  bind<float>(module, "AdamFloat32");
  bind<double>(module, "AdamFloat64");
  module.def("clip_norm", &clip_norm_of, "gradients"_a, "max_norm"_a);
}

}  // namespace peephole::binding
