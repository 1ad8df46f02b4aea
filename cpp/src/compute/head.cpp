#include "compute/head.hpp"

#include "compute/head_reference.hpp"
#include "compute/shares.hpp"
#include "peephole/runtime.hpp"

namespace peephole {
namespace {

template <class T>
bool is_packed(const HeadSpec& spec, const Backend& backend) noexcept {
  return !backend.is_reference() &&
         spec.output_size > kernels::head_kernels_of<T>(backend.isa).most_dot_products;
}

/// The most rows of a share: as many as stay in L2 beside a group of weights, but enough to make up
/// for reading the weights.
template <class T>
Index most_rows(const HeadSpec& spec) noexcept {
  constexpr Index kFewest = 24, kMost = 96, kBytes = Index{1} << 17;
  const Index fitting =
      kBytes / (std::max(spec.input_size, spec.output_size) * static_cast<Index>(sizeof(T)));
  return std::clamp(fitting / 12 * 12, kFewest, kMost);
}

double products(const HeadSpec& spec, Index n) noexcept {
  return 2 * static_cast<double>(n) * static_cast<double>(spec.input_size) *
         static_cast<double>(spec.output_size);
}

/// Blocks of `rows` rows of h and of logits; those of the next block are `apart` elements further.
template <class T>
struct RowBlocks {
  Index count, rows;
  Rows<const T> h;
  Index h_apart;
  Rows<T> logits;
  Index logits_apart;

  Rows<const T> h_of(Index block) const noexcept { return {h.data + block * h_apart, h.stride}; }
  Rows<T> logits_of(Index block) const noexcept {
    return {logits.data + block * logits_apart, logits.stride};
  }
};

template <class T>
kernels::HeadTask<T> logits_task(const Head<T>& head, Rows<const T> h, Rows<T> logits) noexcept {
  return {head.spec.input_size,
          head.spec.output_size,
          head.weights.weight,
          head.weights.bias,
          head.packed ? head.packed->data() : nullptr,
          h.data,
          h.stride,
          logits.data,
          logits.stride};
}

/// The blocks of the weights' gradient that are computed at a time.
class Blocks {
 public:
  Blocks(Index outputs, Index groups, Index members) noexcept : outputs_(outputs), groups_(groups) {
    // Where the blocks would be few, one group each.
    const Index blocks = ranges() * groups;
    groups_of_block_ = std::clamp<Index>(blocks / (4 * members), 1, 4);
  }

  Index count() const noexcept { return ranges() * columns(); }
  kernels::HeadBlock block(Index nth) const noexcept {
    const Index output = nth / columns() * kOutputs, group = nth % columns() * groups_of_block_;
    return {output, std::min(output + kOutputs, outputs_), group,
            std::min(group + groups_of_block_, groups_)};
  }

 private:
  static constexpr Index kOutputs = kernels::kBlockOutputs;

  Index ranges() const noexcept { return (outputs_ + kOutputs - 1) / kOutputs; }
  Index columns() const noexcept { return (groups_ + groups_of_block_ - 1) / groups_of_block_; }

  Index outputs_, groups_;
  Index groups_of_block_ = 1;
};

}  // namespace

template <class T>
Head<T> HeadPacks<T>::forward(const HeadSpec& spec, HeadWeights<const T> weights,
                              const Backend& backend, std::uint64_t revision) {
  Head<T> head = {spec, weights, backend, nullptr};
  if (!is_packed<T>(spec, backend)) return head;
  const Index F = spec.input_size, O = spec.output_size;
  head.packed = forward_.get(revision, backend.isa, [&](auto& packed) {
    packed.pack(weights.weight, 1, F, F, O, backend.isa);
  });
  return head;
}

template <class T>
Head<T> HeadPacks<T>::backward(const HeadSpec& spec, HeadWeights<const T> weights,
                               const Backend& backend, std::uint64_t revision) {
  Head<T> head = {spec, weights, backend, nullptr};
  if (backend.is_reference()) return head;
  const Index F = spec.input_size, O = spec.output_size;
  head.packed = backward_.get(revision, backend.isa, [&](auto& packed) {
    packed.pack(weights.weight, F, 1, O, F, backend.isa);
  });
  return head;
}

namespace {

template <class T>
void logits_of_blocks(const Head<T>& head, const RowBlocks<T>& blocks) {
  if (head.backend.is_reference()) {
    for (Index block = 0; block < blocks.count; ++block) {
      head_logits_alone(head, blocks.h_of(block), blocks.rows, blocks.logits_of(block));
    }
    return;
  }
  const auto kernel = kernels::head_kernels_of<T>(head.backend.isa).logits;
  const Index members =
      useful_members(products(head.spec, blocks.count * blocks.rows), num_threads());
  const Index members_of_block = (members + blocks.count - 1) / std::max<Index>(1, blocks.count);
  const RowShares shares(blocks.rows, most_rows<T>(head.spec), members_of_block);
  Team team(static_cast<int>(members));
  compute_shares(team, blocks.count * shares.count(), [&](Index nth) {
    const Index block = nth / shares.count(), share = nth % shares.count();
    kernel(logits_task(head, blocks.h_of(block), blocks.logits_of(block)), shares.begin(share),
           shares.end(share));
  });
}

}  // namespace

template <class T>
void head_logits(const Head<T>& head, Rows<const T> h, Index n, Rows<T> logits) {
  logits_of_blocks<T>(head, {1, n, h, 0, logits, 0});
}

template <class T>
void head_logits(const Head<T>& head, Rows<const T> h, const SequenceView<T>& y) {
  const Index B = y.batch, time = y.time;
  const Rows<const T> of_sequence = {h.data, B * h.stride};
  const RowBlocks<T> sequences = {
      B, time, of_sequence, h.stride, {y.data, y.time_stride}, y.batch_stride};
  const RowBlocks<T> steps = {time, B, h, B * h.stride, {y.data, y.batch_stride}, y.time_stride};
  logits_of_blocks(head, time >= B ? sequences : steps);
}

template <class T>
void head_logits_alone(const Head<T>& head, Rows<const T> h, Index n, Rows<T> logits) noexcept {
  if (head.backend.is_reference()) {
    return reference_logits(head.spec, head.weights, h, n, logits);
  }
  kernels::head_kernels_of<T>(head.backend.isa).logits(logits_task(head, h, logits), 0, n);
}

namespace {

/// One sequence of a task, or one step: rows that are equally far apart.
template <class T>
kernels::HeadGradientTask<T> part_of(kernels::HeadGradientTask<T> task, Index part,
                                     bool is_sequence) noexcept {
  const kernels::HeadRows<T> rows = task.dlogits;
  if (is_sequence) {
    task.dlogits = {rows.data + part * rows.batch_stride, 1, 0, rows.time_stride};
    task.dh += part * task.dh_stride;
    task.dh_stride *= rows.batch;
  } else {
    task.dlogits = {rows.data + part * rows.time_stride, 1, 0, rows.batch_stride};
    task.dh += part * rows.batch * task.dh_stride;
  }
  return task;
}

}  // namespace

template <class T>
void head_gradients(const Head<T>& head, Rows<const T> h, const T* dlogits, Index n, Rows<T> dh,
                    HeadWeights<T> dweights) {
  if (head.backend.is_reference()) {
    return reference_gradients(head.spec, head.weights, h, dlogits, n, dh, dweights);
  }
  head_gradients(head, h, contiguous(dlogits, 1, n, head.spec.output_size), dh, dweights);
}

template <class T>
void head_gradients(const Head<T>& head, Rows<const T> h, const SequenceView<const T>& dlogits,
                    Rows<T> dh, HeadWeights<T> dweights) {
  if (head.backend.is_reference()) {
    return reference_gradients(head.spec, head.weights, h, dlogits, dh, dweights);
  }
  const Index F = head.spec.input_size, O = head.spec.output_size;
  const Index B = dlogits.batch, time = dlogits.time, n = B * time;
  const kernels::HeadGradientKernels<T>& kernels =
      kernels::head_gradient_kernels_of<T>(head.backend.isa);
  const Index group_columns = kernels::head_kernels_of<T>(head.backend.isa).group_columns;
  const kernels::HeadRows<T> rows = {dlogits.data, std::max<Index>(1, B), dlogits.batch_stride,
                                     dlogits.time_stride};
  const kernels::HeadGradientTask<T> task = {F,
                                             O,
                                             n,
                                             head.packed ? head.packed->data() : nullptr,
                                             h.data,
                                             h.stride,
                                             rows,
                                             dh.data,
                                             dh.stride,
                                             dweights.weight,
                                             dweights.bias};
  const Index members = useful_members(2 * products(head.spec, n), num_threads());
  const bool by_sequence = time >= B;
  const Index parts = dh.data == nullptr ? 0 : by_sequence ? B : time;
  const RowShares shares(by_sequence ? time : B, most_rows<T>(head.spec),
                         (members + parts - 1) / std::max<Index>(1, parts));
  const Blocks blocks(O, round_up(F, group_columns) / group_columns, members);
  Team team(static_cast<int>(members));
  compute_shares(team, blocks.count() + parts * shares.count(), [&](Index nth) {
    if (nth < blocks.count()) return kernels.weight_gradient(task, blocks.block(nth));
    nth -= blocks.count();
    const Index part = nth / shares.count(), share = nth % shares.count();
    kernels.input_gradient(part_of(task, part, by_sequence), shares.begin(share),
                           shares.end(share));
  });
}

template class HeadPacks<float>;
template class HeadPacks<double>;
#define PEEPHOLE_INSTANTIATE(T)                                                             \
  template void head_logits(const Head<T>&, Rows<const T>, Index, Rows<T>);                 \
  template void head_logits(const Head<T>&, Rows<const T>, const SequenceView<T>&);         \
  template void head_logits_alone(const Head<T>&, Rows<const T>, Index, Rows<T>) noexcept;  \
  template void head_gradients(const Head<T>&, Rows<const T>, const T*, Index, Rows<T>,     \
                               HeadWeights<T>);                                             \
  template void head_gradients(const Head<T>&, Rows<const T>, const SequenceView<const T>&, \
                               Rows<T>, HeadWeights<T>);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
