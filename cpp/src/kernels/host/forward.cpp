#include "kernels/host/forward.hpp"

#include <algorithm>

#include "base/arithmetic.hpp"
#include "kernels/host/choices.hpp"

namespace peephole::kernels {
namespace {

/// The steps in the order of computation, each with those of the ranks that are alive.
template <class T>
Index list_steps(const LayerForward<T>& layer, RankRange ranks, ForwardStep* steps) {
  const Schedule& schedule = layer.schedule;
  Index count = 0;
  const Index time = schedule.steps(), first = ranks.begin;
  for (Index s = 0; s < time; ++s) {
    const Index t = layer.direction == Direction::forward ? s : time - 1 - s;
    const Index rows = std::min(schedule.rows(t), ranks.end) - first;
    if (rows <= 0) continue;
    steps[count++] = {schedule.offset(t) + first, rows,
                      layer.x.step(schedule, t) + first * layer.x.stride,
                      layer.h.step(schedule, t) + first * layer.h.stride};
  }
  return count;
}

/// Hands out pieces of one allocation, each on its own cache lines.
template <class T>
class Carver {
 public:
  Index take(Index size) {
    const Index at = size_;
    size_ += round_up(size, kLineValues<T>);
    return at;
  }
  Index size() const { return size_; }

 private:
  Index size_ = 0;
};

template <class T>
void carve_scratch(ForwardPass<T>& pass, Index lanes, Index rows, ForwardWorkspace<T>& workspace) {
  const ForwardWeights<T>& w = pass.weights;
  const Index width = w.panels * lanes, sums = kGates * lanes;
  const Index groups = (w.panels + kGates - 1) / kGates;
  const bool dense = w.terms > pass.input_size + pass.hidden_size;
  Carver<T> carver;
  const Index h0 = carver.take(rows * width), h1 = carver.take(rows * width);
  const Index c0 = carver.take(rows * width), c1 = dense ? carver.take(rows * width) : c0;
  const Index outputs = carver.take(w.dense_output != nullptr ? rows * groups * sums : 0);
  const Index projected = carver.take(pass.step_count > 1 ? kChunkRows * w.panels * sums : 0);
  const Index blocks = carver.take(rows * sums);
  T* const values = workspace.values(carver.size());
  pass.h_rows[0] = values + h0;
  pass.h_rows[1] = values + h1;
  pass.c_rows[0] = values + c0;
  pass.c_rows[1] = values + c1;
  pass.output_sums = values + outputs;
  pass.projected = values + projected;
  pass.sums = values + blocks;
}

}  // namespace

template <class T>
ForwardPass<T> prepare_forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
                               ForwardWorkspace<T>& workspace, RankRange ranks) {
  const LayerSpec& spec = layer.spec;
  const Index H = spec.hidden_size;
  ForwardPass<T> pass = {};
  pass.input_size = spec.input_size;
  pass.hidden_size = H;
  pass.activations = spec.activations;
  pass.standard = is_standard(spec);
  pass.coupled_input_forget = spec.coupled_input_forget;
  pass.output_reads_current = spec.output_reads_current();
  pass.peephole_gates = peephole_gates(spec, Peephole::diagonal);
  pass.weights = packed.view();
  ForwardStep* const steps = workspace.steps(layer.schedule.steps());
  pass.steps = steps;
  pass.step_count = list_steps(layer, ranks, steps);
  pass.x = layer.x.data;
  pass.x_stride = layer.x.stride;
  pass.h = layer.h.data;
  pass.h_stride = layer.h.stride;
  pass.gates = layer.gates;
  pass.c = layer.c;
  pass.state_h = layer.state_h + ranks.begin * H;
  pass.state_c = layer.state_c + ranks.begin * H;
  const Index rows = std::max<Index>(ranks.end - ranks.begin, 0);
  carve_scratch(pass, lanes<T>(forward_kernels(packed.isa())), rows, workspace);
  return pass;
}

template <class T>
void run_forward(const ForwardPass<T>& pass, Isa isa, const TeamPart& team) noexcept {
  const ForwardKernels& kernels = forward_kernels(isa);
  if constexpr (sizeof(T) == sizeof(float)) {
    kernels.forward_float(pass, team);
  } else {
    kernels.forward_double(pass, team);
  }
}

template ForwardPass<float> prepare_forward(const LayerForward<float>&, const PackedForward<float>&,
                                            ForwardWorkspace<float>&, RankRange);
template ForwardPass<double> prepare_forward(const LayerForward<double>&,
                                             const PackedForward<double>&,
                                             ForwardWorkspace<double>&, RankRange);
template void run_forward(const ForwardPass<float>&, Isa, const TeamPart&) noexcept;
template void run_forward(const ForwardPass<double>&, Isa, const TeamPart&) noexcept;

}  // namespace peephole::kernels
