#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "gil.hpp"
#include "options.hpp"
#include "peephole/peephole.hpp"

namespace peephole::binding {

/// quantize() of a model of T, and dequantize() of one of float.
template <template <class> class Model, class T, class Class>
void define_quantizing(Class& of_model) {
  of_model.def(
      "quantize",
      [](const Model<T>& self, py::handle quantization) {
        const auto chosen = parse<Quantization>("quantization", text(quantization, "quantization"));
        std::shared_ptr<Model<float>> made;
        without_gil([&] { made = std::make_shared<Model<float>>(quantize(self, chosen)); });
        return made;
      },
      py::arg("quantization"));
  if constexpr (std::is_same_v<T, float>) {
    of_model.def("dequantize", [](const Model<float>& self) {
      std::shared_ptr<Model<float>> made;
      without_gil([&] { made = std::make_shared<Model<float>>(dequantize(self)); });
      return made;
    });
  }
}

}  // namespace peephole::binding
