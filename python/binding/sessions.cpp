#include "peephole/sessions.hpp"

#include <memory>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "model.hpp"
#include "options.hpp"
#include "steps.hpp"
#include "turn_lock.hpp"

namespace peephole::binding {
namespace {

/// A pool, which calls of several threads use one after the other.
template <class T>
struct SessionsOf {
  Sessions<T> sessions;
  TurnLock lock;

  template <class Model>
  SessionsOf(const Model& model, Index capacity) : sessions(model, capacity) {}
  SessionsOf(const SessionsOf& other) : sessions(other.sessions) {}
};

template <class T>
class SessionsTurn : public TurnLock::Turn {
 public:
  explicit SessionsTurn(SessionsOf<T>& of) : TurnLock::Turn(of.lock, "sessions") {}
};

using Ids = std::vector<SessionId>;

std::string at_position(Index position) { return " at position " + std::to_string(position); }

/// Raises the error of a call over several sessions that is not ok.
void raise_unless_ok(SessionStatus status, Index position, const Ids& ids, const Index* lengths,
                     Index steps) {
  const auto nth = static_cast<std::size_t>(position);
  switch (status) {
    case SessionStatus::unknown:
      refuse_value("ids", "open sessions", std::to_string(ids[nth]) + at_position(position));
    case SessionStatus::repeated:
      refuse_value("ids", "each session once",
                   std::to_string(ids[nth]) + " again" + at_position(position));
    case SessionStatus::bad_length:
      refuse_value("lengths", "0.." + std::to_string(steps),
                   std::to_string(lengths[position]) + at_position(position));
    default: return;
  }
}

/// Raises the error of a call on one session that is not ok.
void raise_unless_open(SessionStatus status, py::handle id) {
  if (status == SessionStatus::ok) return;
  refuse_value("id", "an open session", py::str(id));
}

/// The caller's id as a number; -1, which no session has, for an int that is too large.
SessionId id_of(py::handle id) {
  if (PyBool_Check(id.ptr())) refuse_type("id", "an int", py::str(id));
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(id.ptr()));
  if (!number) {
    PyErr_Clear();
    refuse_type("id", "an int", type_text(id));
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  return overflow != 0 ? -1 : value;
}

/// ids (n,), copied: another thread may write to the caller's array meanwhile.
Ids ids_of(py::handle object) {
  const py::array_t<Index> array = ready<Index>(object, kReady)
                                       ? py::reinterpret_borrow<py::array_t<Index>>(object)
                                       : integers(object, "ids");
  if (array.ndim() != 1) refuse_value("ids", "(n,)", shape_text(shape_of(array)));
  return Ids(array.data(), array.data() + array.size());
}

template <class T>
py::array_t<T> sessions_step(SessionsOf<T>& self, py::handle ids_object, py::handle x_object,
                             py::handle out) {
  Sessions<T>& sessions = self.sessions;
  const Ids ids = ids_of(ids_object);
  const auto n = static_cast<Index>(ids.size());
  const Index I = sessions.input_size(), O = sessions.output_size();
  const py::array_t<T> x = step_numbers<T>(x_object, "x");
  if (x.ndim() != 2 || x.shape(0) != n || x.shape(1) != I) {
    refuse_value("x", shape_text({n, I}), shape_text(shape_of(x)));
  }
  py::array_t<T> y =
      out.is_none() ? py::array_t<T>({n, O}) : output<T>(out, "out", {n, O}, {}, nullptr);
  const T* const from = x.data();
  T* const to = y.mutable_data();
  const SessionsTurn<T> turn(self);
  const SessionStatus status = [&] {
    const WithoutGil release;
    return sessions.step(ids.data(), n, from, to);
  }();
  raise_unless_ok(status, sessions.position(), ids, nullptr, 1);
  return y;
}

/// The states of sessions, to return to after an interrupted call.
template <class T>
class SavedStates {
 public:
  SavedStates(const Sessions<T>& sessions, const Ids& ids) : ids_(ids) {
    Index size = 0;
    for (Index l = 0; l < sessions.layers(); ++l) {
      size += sessions.recurrent_size(l) + sessions.hidden_size(l);
    }
    values_.resize(ids.size() * static_cast<std::size_t>(size));
    for_each(sessions, [&](SessionId id, Index layer, StateView<T> state) {
      (void)sessions.get_state(id, layer, state);  // the call reports ids that are wrong
    });
  }
  void restore(Sessions<T>& sessions) {
    for_each(sessions, [&](SessionId id, Index layer, StateView<T> state) {
      (void)sessions.set_state(id, layer,
                               {state.h, state.c, 1, state.hidden_size, state.projection_size});
    });
  }

 private:
  template <class F>
  void for_each(const Sessions<T>& sessions, F&& f) {
    T* at = values_.data();
    for (SessionId id : ids_) {
      for (Index l = 0; l < sessions.layers(); ++l) {
        const Index P = sessions.recurrent_size(l), H = sessions.hidden_size(l);
        f(id, l, {at, at + P, 1, H, P});
        at += P + H;
      }
    }
  }

  const Ids& ids_;
  std::vector<T> values_;
};

template <class T>
py::array_t<T> sessions_process(SessionsOf<T>& self, py::handle ids_object, py::handle x_object,
                                py::handle lengths_object, py::handle out) {
  Sessions<T>& sessions = self.sessions;
  const Ids ids = ids_of(ids_object);
  const auto n = static_cast<Index>(ids.size());
  const Index I = sessions.input_size(), O = sessions.output_size();
  const auto x = numbers<T>(x_object, "x", true);
  if (x.ndim() != 3 || x.shape(0) != n || x.shape(2) != I) {
    refuse_value("x", "(" + std::to_string(n) + ", time, " + std::to_string(I) + ")",
                 shape_text(shape_of(x)));
  }
  const Index time = x.shape(1);
  const Lengths lengths(lengths_object, Sequences<T>(x, "x", I));
  const Index* const of_each = lengths_object.is_none() ? nullptr : lengths.span().data;
  const Shape shape = {n, time, O};
  py::array_t<T> y =
      out.is_none() ? py::array_t<T>(shape) : output<T>(out, "out", shape, {{"x", x}}, nullptr);
  const T* const from = x.data();
  T* const to = y.mutable_data();
  const SessionsTurn<T> turn(self);
  SessionStatus status = SessionStatus::ok;
  const auto process = [&] { status = sessions.process(ids.data(), n, from, to, time, of_each); };
  if (time * n <= kShortCall) {
    const WithoutGil release;
    process();
  } else {
    SavedStates<T> before(sessions, ids);
    try {
      without_gil(process);
    } catch (...) {
      before.restore(sessions);
      throw;
    }
  }
  raise_unless_ok(status, sessions.position(), ids, of_each, time);
  return y;
}

template <class T>
SessionId open_session(SessionsOf<T>& self) {
  const SessionsTurn<T> turn(self);
  SessionId id = 0;
  if (self.sessions.open(id) == SessionStatus::ok) return id;
  throw std::runtime_error("sessions: all " + std::to_string(self.sessions.capacity()) +
                           " are open");
}

template <class T>
void close_session(SessionsOf<T>& self, py::handle id) {
  const SessionId number = id_of(id);
  const SessionsTurn<T> turn(self);
  raise_unless_open(self.sessions.close(number), id);
}

template <class T>
bool has_session(SessionsOf<T>& self, py::handle id) {
  const SessionId number = id_of(id);
  const SessionsTurn<T> turn(self);
  return self.sessions.contains(number);
}

template <class T>
py::array_t<Index> open_ids(SessionsOf<T>& self) {
  const SessionsTurn<T> turn(self);
  Ids ids(static_cast<std::size_t>(self.sessions.size()));
  self.sessions.ids(ids.data());
  py::array_t<Index> array(static_cast<py::ssize_t>(ids.size()));
  std::copy(ids.begin(), ids.end(), array.mutable_data());
  return array;
}

template <class T>
std::vector<StateShape> session_shapes(const Sessions<T>& sessions, bool batched) {
  const LSTMConfig& config = sessions.config().lstm;
  return state_shapes(config, 1, batched);
}

template <class T>
py::tuple session_state(SessionsOf<T>& self, py::handle id) {
  const SessionId number = id_of(id);
  const StateOut<T> state(session_shapes(self.sessions, false));
  const SessionsTurn<T> turn(self);
  for (Index layer = 0; layer < self.sessions.layers(); ++layer) {
    raise_unless_open(self.sessions.get_state(number, layer, state.span()[layer]), id);
  }
  return state.tuple();
}

template <class T>
void set_session_state(SessionsOf<T>& self, py::handle id, py::handle object, bool batched) {
  const SessionId number = id_of(id);
  const StateIn<T> state(object, "state", session_shapes(self.sessions, batched));
  const SessionsTurn<T> turn(self);
  if (state.span().empty()) return raise_unless_open(self.sessions.reset(number), id);
  for (Index layer = 0; layer < self.sessions.layers(); ++layer) {
    raise_unless_open(self.sessions.set_state(number, layer, state.span()[layer]), id);
  }
}

template <class T>
py::array_t<unsigned char> sessions_snapshot(SessionsOf<T>& self) {
  const SessionsTurn<T> turn(self);
  py::array_t<unsigned char> data(static_cast<py::ssize_t>(self.sessions.snapshot_size()));
  self.sessions.snapshot(data.mutable_data());
  return data;
}

template <class T>
void restore_sessions(SessionsOf<T>& self, const py::array_t<unsigned char>& data) {
  const SessionsTurn<T> turn(self);
  const SessionStatus status =
      self.sessions.restore(data.data(), static_cast<std::size_t>(data.size()));
  if (status == SessionStatus::foreign) {
    refuse_value("snapshot",
                 "one of a pool of this model, with these weights, and of at most " +
                     std::to_string(self.sessions.capacity()) + " sessions",
                 "another one");
  }
  if (status == SessionStatus::corrupt)
    refuse_value("snapshot", "an unchanged one", "a damaged one");
}

template <class Model, class T>
std::unique_ptr<SessionsOf<T>> make_sessions(const Model& model, py::handle capacity) {
  return std::make_unique<SessionsOf<T>>(model, integer(capacity, "capacity"));
}

template <class T>
void bind_sessions_of(py::module_& module, const char* name) {
  using namespace py::literals;
  using Self = SessionsOf<T>;
  const py::object none = py::none();
  new_class<Self>(module, name)
      .def(py::init(&make_sessions<Network<T>, T>), "model"_a, "capacity"_a)
      .def(py::init(&make_sessions<LSTM<T>, T>), "model"_a, "capacity"_a)
      .def_property_readonly("dtype", [](const Self&) { return py::dtype::of<T>(); })
      .def_property_readonly("capacity", [](const Self& self) { return self.sessions.capacity(); })
      .def_property_readonly("input_size",
                             [](const Self& self) { return self.sessions.input_size(); })
      .def_property_readonly("output_size",
                             [](const Self& self) { return self.sessions.output_size(); })
      .def("open", &open_session<T>)
      .def("close", &close_session<T>, "id"_a)
      .def("ids", &open_ids<T>)
      .def("contains", &has_session<T>, "id"_a)
      .def("step", &sessions_step<T>, "ids"_a, "x"_a, "out"_a = none)
      .def("process", &sessions_process<T>, "ids"_a, "x"_a, "lengths"_a = none, "out"_a = none)
      .def("get_state", &session_state<T>, "id"_a)
      .def("set_state", &set_session_state<T>, "id"_a, "state"_a, "batched"_a)
      .def("snapshot", &sessions_snapshot<T>)
      .def("restore", &restore_sessions<T>, "snapshot"_a)
      .def_property_readonly("options",
                             [](const Self& self) { return options_made_with(self.sessions); })
      .def("weights", [](const Self& self) { return weights_made_with<T>(self.sessions); })
      .def("__len__",
           [](Self& self) {
             const SessionsTurn<T> turn(self);
             return self.sessions.size();
           })
      .def("copy", [](Self& self) {
        const SessionsTurn<T> turn(self);
        return std::make_unique<Self>(self);
      });
}

}  // namespace

void bind_sessions(py::module_& module) {
  module.attr("MOST_SESSIONS") = Sessions<float>::kMostSessions;
  bind_sessions_of<float>(module, "SessionsFloat32");
  bind_sessions_of<double>(module, "SessionsFloat64");
}

}  // namespace peephole::binding
