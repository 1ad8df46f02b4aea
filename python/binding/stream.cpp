#include "peephole/stream.hpp"

#include <atomic>
#include <memory>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "model.hpp"
#include "options.hpp"
#include "steps.hpp"

namespace peephole::binding {
namespace {

/// A stream, and whether a call is at work on it: process() lets other Python threads run.
template <class T>
struct StreamOf {
  Stream<T> stream;
  std::atomic<bool> busy{false};

  template <class Model>
  StreamOf(const Model& model, Index batch) : stream(model, batch) {}
  StreamOf(const StreamOf& other) : stream(other.stream) {}
};

template <class T>
class Use {
 public:
  explicit Use(StreamOf<T>& of) : of_(of) {
    if (of.busy.exchange(true)) {
      throw std::runtime_error("stream: in use by another thread; each needs one of its own");
    }
  }
  ~Use() { of_.busy = false; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  StreamOf<T>& of_;
};

/// (F,) for a single sequence, or (B, F).
bool fits_step(const py::array& array, Index batch, Index features) {
  if (array.ndim() == 1) return batch == 1 && array.shape(0) == features;
  return array.ndim() == 2 && array.shape(0) == batch && array.shape(1) == features;
}

Shape step_shape(bool batched, Index batch, Index features) {
  return batched ? Shape{batch, features} : Shape{features};
}

/// What x must be, in words: "(1, 3) or (3,)".
std::string expected_text(Index batch, Shape rest) {
  const std::string single = shape_text(rest);
  rest.insert(rest.begin(), batch);
  return batch == 1 ? shape_text(rest) + " or " + single : shape_text(rest);
}

template <class T>
py::array_t<T> step_input(const Stream<T>& stream, py::handle x) {
  const Index B = stream.batch(), I = stream.input_size();
  auto array = step_numbers<T>(x, "x");
  if (!fits_step(array, B, I))
    refuse_value("x", expected_text(B, {I}), shape_text(shape_of(array)));
  return array;
}

/// The caller's `out`, or for None a new array.
template <class T>
py::array_t<T> step_output(py::handle out, bool batched, Index batch, Index features) {
  if (out.is_none()) return py::array_t<T>(step_shape(batched, batch, features));
  constexpr int kWritable = kReady | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  if (ready<T>(out, kWritable)) {
    auto array = py::reinterpret_borrow<py::array_t<T>>(out);
    if (array.ndim() == (batched ? 2 : 1) && fits_step(array, batch, features)) return array;
  }
  return output<T>(out, "out", step_shape(batched, batch, features), {}, nullptr);
}

template <class T>
py::array_t<T> step(StreamOf<T>& self, py::handle x, py::handle out) {
  Stream<T>& stream = self.stream;
  const py::array_t<T> in = step_input(stream, x);
  auto y = step_output<T>(out, in.ndim() == 2, stream.batch(), stream.output_size());
  const Use<T> use(self);
  stream.step(in.data(), y.mutable_data());
  return y;
}

/// Not by swapping the streams: other threads may be reading the sizes of `to`.
template <class T>
void copy_state(const Stream<T>& from, Stream<T>& to) {
  for (Index layer = 0; layer < from.layers(); ++layer) {
    const Index B = from.batch(), H = from.hidden_size(layer), P = from.recurrent_size(layer);
    std::vector<T> h(static_cast<std::size_t>(B * P)), c(static_cast<std::size_t>(B * H));
    from.get_state(layer, {h.data(), c.data(), B, H, P});
    to.set_state(layer, {h.data(), c.data(), B, H, P});
  }
}

template <class T>
py::array_t<T> process(StreamOf<T>& self, py::handle x, py::handle out) {
  Stream<T>& stream = self.stream;
  const Index B = stream.batch(), I = stream.input_size();
  const auto in = numbers<T>(x, "x", true);
  const bool batched = in.ndim() == 3;
  const bool fits = batched ? in.shape(0) == B : in.ndim() == 2 && B == 1;
  if (!fits || in.shape(in.ndim() - 1) != I) {
    const std::string single = "(time, " + std::to_string(I) + ")";
    const std::string batch = "(" + std::to_string(B) + ", time, " + std::to_string(I) + ")";
    refuse_value("x", B == 1 ? batch + " or " + single : batch, shape_text(shape_of(in)));
  }
  const Index time = in.shape(in.ndim() - 2), O = stream.output_size();
  const Shape shape = batched ? Shape{B, time, O} : Shape{time, O};
  auto y =
      out.is_none() ? py::array_t<T>(shape) : output<T>(out, "out", shape, {{"x", in}}, nullptr);
  const T* const from = in.data();
  T* const to = y.mutable_data();
  const Use<T> use(self);
  if (time * B <= kShortCall) {
    const WithoutGil release;
    stream.process(from, to, time);
    return y;
  }
  const Stream<T> before = stream;
  try {
    without_gil([&] { stream.process(from, to, time); });
  } catch (...) {
    copy_state(before, stream);
    throw;
  }
  return y;
}

template <class T>
std::vector<StateShape> shapes_of(const Stream<T>& stream, bool batched) {
  std::vector<StateShape> shapes;
  for (Index layer = 0; layer < stream.layers(); ++layer) {
    shapes.push_back({step_shape(batched, stream.batch(), stream.recurrent_size(layer)),
                      step_shape(batched, stream.batch(), stream.hidden_size(layer))});
  }
  return shapes;
}

template <class T>
py::tuple get_state(StreamOf<T>& self) {
  const StateOut<T> state(shapes_of(self.stream, true));
  const Use<T> use(self);
  for (Index layer = 0; layer < self.stream.layers(); ++layer) {
    self.stream.get_state(layer, state.span()[layer]);
  }
  return state.tuple();
}

template <class T>
void set_state(StreamOf<T>& self, py::handle object, bool batched) {
  const StateIn<T> state(object, "state", shapes_of(self.stream, batched));
  const Use<T> use(self);
  if (state.span().empty()) return self.stream.reset();
  for (Index layer = 0; layer < self.stream.layers(); ++layer) {
    self.stream.set_state(layer, state.span()[layer]);
  }
}

template <class Model, class T>
std::unique_ptr<StreamOf<T>> make_stream(const Model& model, py::handle batch) {
  return std::make_unique<StreamOf<T>>(model, integer(batch, "batch"));
}

template <class T>
void bind_stream_of(py::module_& module, const char* name) {
  using namespace py::literals;
  using Self = StreamOf<T>;
  const py::object none = py::none();
  new_class<Self>(module, name)
      .def(py::init(&make_stream<Network<T>, T>), "model"_a, "batch"_a)
      .def(py::init(&make_stream<LSTM<T>, T>), "model"_a, "batch"_a)
      .def_property_readonly("dtype", [](const Self&) { return py::dtype::of<T>(); })
      .def_property_readonly("batch", [](const Self& self) { return self.stream.batch(); })
      .def_property_readonly("input_size",
                             [](const Self& self) { return self.stream.input_size(); })
      .def_property_readonly("output_size",
                             [](const Self& self) { return self.stream.output_size(); })
      .def("step", &step<T>, "x"_a, "out"_a = none)
      .def("process", &process<T>, "x"_a, "out"_a = none)
      .def("get_state", &get_state<T>)
      .def("set_state", &set_state<T>, "state"_a, "batched"_a)
      .def_property_readonly("options",
                             [](const Self& self) { return options_made_with(self.stream); })
      .def("weights", [](const Self& self) { return weights_made_with<T>(self.stream); })
      .def("copy", [](Self& self) {
        const Use<T> use(self);
        return std::make_unique<Self>(self);
      });
}

}  // namespace

void bind_stream(py::module_& module) {
  bind_stream_of<float>(module, "StreamFloat32");
  bind_stream_of<double>(module, "StreamFloat64");
}

}  // namespace peephole::binding
