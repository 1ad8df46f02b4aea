#pragma once

#include <string>
#include <vector>

#include "arrays.hpp"

/// Arrays of functional.cpp: sequences whose first axis is batch or time, and states of all layers
/// and directions in one array of h and one of c.
namespace peephole::binding {

/// A batch of sequences; (T, B, F) is seen as (B, T, F).
template <class T>
Sequences<T> batch_of_sequences(py::handle object, const char* argument, Index features,
                                bool time_major) {
  py::array array = numbers<T>(object, argument, false);
  if (array.ndim() != 3) {
    const std::string last = ", " + std::to_string(features) + ")";
    refuse_value(argument, (time_major ? "(time, batch" : "(batch, time") + last,
                 shape_text(shape_of(array)));
  }
  if (time_major) {
    array =
        py::array(array.dtype(), Shape{array.shape(1), array.shape(0), array.shape(2)},
                  Shape{array.strides(1), array.strides(0), array.strides(2)}, array.data(), array);
  }
  return Sequences<T>(array, argument, features);
}

/// A new (B, T, F), or (T, B, F) with time_major, and the core's view of it.
template <class T>
struct NewSequences {
  NewSequences(Index batch, Index time, Index features, bool time_major)
      : array(time_major ? Shape{time, batch, features} : Shape{batch, time, features}),
        view{array.mutable_data(),
             batch,
             time,
             features,
             time_major ? features : time * features,
             time_major ? batch * features : features} {}

  py::array_t<T> array;
  SequenceView<T> view;
};

/// Views of the h and c of each layer and direction in two arrays that hold all of them.
template <class T, class Value>
std::vector<StateView<Value>> state_views(const LSTMConfig& config, Index batch, Value* h,
                                          Value* c) {
  std::vector<StateView<Value>> views;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    const Index P = config.recurrent_size(layer);
    for (Index d = 0; d < config.directions(); ++d) {
      views.push_back({h, c, batch, H, P});
      h += batch * P;
      c += batch * H;
    }
  }
  return views;
}

/// Values of h and of c of all layers and directions, for one sequence.
struct StateSizes {
  Index h = 0, c = 0;

  explicit StateSizes(const LSTMConfig& config) {
    for (Index layer = 0; layer < config.layers(); ++layer) {
      h += config.directions() * config.recurrent_size(layer);
      c += config.directions() * config.hidden_sizes[static_cast<std::size_t>(layer)];
    }
  }
};

/// A state that is read: (B, P_k) and (B, H_k) one after the other, or none.
template <class T>
class FlatStateIn {
 public:
  FlatStateIn(const LSTMConfig& config, Index batch, py::handle h, py::handle c, const char* h_name,
              const char* c_name) {
    if (h.is_none() && c.is_none()) return;
    const StateSizes sizes(config);
    h_ = values(h, h_name, batch * sizes.h);
    c_ = values(c, c_name, batch * sizes.c);
    views_ = state_views<T>(config, batch, h_.data(), c_.data());
  }

  Span<const StateView<const T>> span() const noexcept { return views_; }

 private:
  static py::array_t<T> values(py::handle object, const char* name, Index size) {
    auto array = numbers<T>(object, name, true);
    if (array.size() != size) {
      refuse_value(name, std::to_string(size) + " values", shape_text(shape_of(array)));
    }
    return array;
  }

  py::array_t<T> h_, c_;
  std::vector<StateView<const T>> views_;
};

/// A new state of this form, and the core's views of it.
template <class T>
struct FlatStateOut {
  FlatStateOut(const LSTMConfig& config, Index batch)
      : h(batch * StateSizes(config).h),
        c(batch * StateSizes(config).c),
        views(state_views<T>(config, batch, h.mutable_data(), c.mutable_data())) {}

  py::array_t<T> h, c;
  std::vector<StateView<T>> views;
};

}  // namespace peephole::binding
