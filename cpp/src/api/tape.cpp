#include "api/tape.hpp"

#include <stdexcept>
#include <string>

#include "api/checks.hpp"
#include "base/errors.hpp"
#include "layer/rows.hpp"
#include "model/parameters_access.hpp"

namespace peephole {

template <class T>
Tape<T>::Tape(Keep keep) : impl_(std::make_unique<Impl>()) {
  impl_->stack.keep = keep;
}
template <class T>
Tape<T>::Tape(Span<T> memory) : Tape(Keep::all) {
  if (memory.data == nullptr) refuse("memory", "an array", "a null pointer");
  impl_->stack.memory = memory;
}
template <class T>
Tape<T>::~Tape() = default;
template <class T>
Tape<T>::Tape(Tape&&) noexcept = default;
template <class T>
Tape<T>& Tape<T>::operator=(Tape&&) noexcept = default;

template <class T>
Index Tape<T>::batch() const noexcept {
  return impl_->stack.schedule.batch();
}

template <class T>
Index Tape<T>::time() const noexcept {
  return impl_->stack.schedule.time();
}

template <class T>
Index Tape<T>::layers() const noexcept {
  return static_cast<Index>(impl_->stack.hidden_sizes.size());
}

template <class T>
Index Tape<T>::directions() const noexcept {
  return impl_->stack.directions;
}

template <class T>
Index Tape<T>::hidden_size(Index layer) const {
  return impl_->stack.hidden_sizes.at(static_cast<std::size_t>(layer));
}

template <class T>
Index Tape<T>::recurrent_size(Index layer) const {
  return impl_->stack.recurrent_sizes.at(static_cast<std::size_t>(layer));
}

template <class T>
std::size_t Tape<T>::bytes() const noexcept {
  return impl_->stack.kept_bytes +
         static_cast<std::size_t>(impl_->x_size + impl_->y_size) * sizeof(T);
}

namespace {

void check_number(const char* argument, Index number, Index count) {
  if (number < 0 || number >= count) {
    refuse(argument, "an integer in 0.." + std::to_string(count - 1), std::to_string(number));
  }
}

}  // namespace

template <class T>
void Tape<T>::activities(Index layer, Index direction, const Activities<T>& activities) const {
  const StackTape<T>& stack = impl_->stack;
  if (!stack.filled) refuse("tape", "one that a forward pass has filled", "an empty one");
  if (stack.keep != Keep::all) {
    refuse("tape", "one that keeps all (Keep::all, recompute=False)",
           "one whose gates are computed again");
  }
  check_number("layer", layer, layers());
  check_number("direction", direction, directions());
  const Schedule& schedule = stack.schedule;
  const Index H = hidden_size(layer), P = recurrent_size(layer), D = directions();
  const auto& kept = stack.layers[static_cast<std::size_t>(layer * D + direction)];
  const T* const h = stack.h[static_cast<std::size_t>(layer)].data() + direction * P;
  const T* const gates = kept.gates.data();
  const struct {
    const char* name;
    const SequenceView<T>& view;
    Rows<const T> rows;
    Index size;
  } all[] = {{"i", activities.i, {gates, kGates * H}, H},
             {"f", activities.f, {gates + H, kGates * H}, H},
             {"g", activities.g, {gates + 2 * H, kGates * H}, H},
             {"o", activities.o, {gates + 3 * H, kGates * H}, H},
             {"c", activities.c, {kept.c.data(), H}, H},
             {"h", activities.h, {h, D * P}, P}};
  for (const auto& one : all) {
    if (one.view.data != nullptr) check_shape(one.name, one.view, batch(), time(), one.size);
  }
  for (const auto& one : all) {
    if (one.view.data != nullptr) scatter(schedule, one.rows, one.view);
  }
}

template <class T>
void check_tape(const typename Tape<T>::Impl& tape, bool has_head,
                const Parameters<T>& parameters) {
  const StackTape<T>& stack = tape.stack;
  const bool own = stack.filled == Mode::training && tape.has_head == has_head &&
                   stack.identity == ParametersAccess<T>::identity(parameters);
  if (!own) {
    throw std::invalid_argument(
        "tape: expected one that this model's forward filled, got another's");
  }
  if (stack.revision != ParametersAccess<T>::refresh(parameters)) {
    throw std::invalid_argument(
        "tape: expected one of the current parameters, got one from before they were changed");
  }
}

template class Tape<float>;
template class Tape<double>;
template class Tape<Dual>;
template void check_tape(const Tape<float>::Impl&, bool, const Parameters<float>&);
template void check_tape(const Tape<double>::Impl&, bool, const Parameters<double>&);
template void check_tape(const Tape<Dual>::Impl&, bool, const Parameters<Dual>&);

}  // namespace peephole
