#include "peephole/ctc.hpp"

#include "arrays.hpp"
#include "bindings.hpp"
#include "gil.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

/// (n,) integers, copied: another thread may write to the caller's array.
std::vector<Index> list_of(py::handle object, const std::string& argument) {
  const py::array_t<Index> values = integers(object, argument);
  if (values.ndim() != 1) refuse_value(argument, "(n,)", shape_text(shape_of(values)));
  return {values.data(), values.data() + values.size()};
}

template <class T>
py::tuple ctc_of(const py::array& logits_object, py::handle lengths_object, py::handle labels,
                 py::handle counts, Index blank) {
  const py::array_t<T> logits = numbers<T>(logits_object, "logits", true);
  if (logits.ndim() != 3) {
    refuse_value("logits", "(batch, time, outputs)", shape_text(shape_of(logits)));
  }
  const Index B = logits.shape(0), time = logits.shape(1);
  const std::vector<Index> lengths = list_of(lengths_object, "lengths");
  const std::vector<Index> all = list_of(labels, "labels"), of_each = list_of(counts, "counts");
  py::array_t<double> losses(B);
  py::array_t<T> gradient(shape_of(logits));
  const auto in = sequence_view<const T>(logits, B, time);
  const auto out = sequence_view<T>(gradient, B, time);
  const Span<double> terms(losses.mutable_data(), B);
  without_gil([&] { ctc<T>(in, lengths, {all, of_each}, blank, terms, out); });
  return py::make_tuple(losses, gradient);
}

}  // namespace

void bind_ctc(py::module_& module) {
  using namespace py::literals;
  module.def(
      "ctc",
      [](const py::array& logits, py::handle lengths, py::handle labels, py::handle counts,
         py::handle blank_object) {
        const Index blank = integer(blank_object, "blank");
        return py::isinstance<py::array_t<float>>(logits)
                   ? ctc_of<float>(logits, lengths, labels, counts, blank)
                   : ctc_of<double>(logits, lengths, labels, counts, blank);
      },
      "logits"_a, "lengths"_a, "labels"_a, "counts"_a, "blank"_a);
}

}  // namespace peephole::binding
