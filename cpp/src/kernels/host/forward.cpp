#include "kernels/host/forward.hpp"

#include <algorithm>
#include <type_traits>

#include "base/arithmetic.hpp"
#include "kernels/host/options.hpp"
#include "kernels/host/table.hpp"

namespace peephole::kernels {
namespace {

/// The steps in the order of computation, each with the ranks of the range that are still running.
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

/// Lays out arrays in one allocation, each on its own cache lines.
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

/// Sums of so many bytes stay in L2 beside the weights.
constexpr Index kNormBlockBytes = Index{1} << 18;

/// How many rows of a step are multiplied before their cells are computed.
template <class T>
Index norm_block_rows(const ForwardTask<T>& task, Index lanes, Index rows) {
  constexpr Index kUnit = 12;  // a multiple of the heights of tiles
  const Index row = kGates * lanes * task.weights.panels * Index{sizeof(T)};
  const Index most = std::max(kUnit, kNormBlockBytes / row / kUnit * kUnit);
  return std::clamp<Index>(rows, 1, most);
}

/// The rows of x, h and c as integers, for each part of a team.
template <class T>
const QuantizedRows* carve_quantized(const ForwardTask<T>& task, Index lanes, Index rows,
                                     Index parts, ForwardWorkspace<T>& workspace) {
  const QuantizedWeights& q = task.weights.quantized;
  if (!q.any) return nullptr;
  Carver<std::int32_t> carver;
  struct Place {
    Index words, scales, row_words;
  };
  const auto take = [&](const IntegerPanels& product, Index count) -> Place {
    if (product.data == nullptr) return {0, 0, 0};
    const Index word_terms = product.offsets != nullptr ? 4 : 2;
    const Index row_words = round_up(product.terms, word_terms * lanes) / word_terms;
    const Index words = carver.take(count * row_words);
    return {words, carver.take(count), row_words};
  };
  const Index ahead = task.step_count > 1 ? std::max(rows, kChunkRows) : rows;
  const Place x = take(q.input, ahead), h = take(q.recurrent, rows), c = take(q.dense, rows);
  const Index sums = carver.take(std::max(rows * kGates * lanes, kQuantizedSums));
  std::int32_t* of_part = workspace.words(parts * carver.size());
  QuantizedRows* const of_parts = workspace.quantized(parts);
  for (Index part = 0; part < parts; ++part, of_part += carver.size()) {
    const auto place = [&](const Place& at) -> FactorRows {
      return {of_part + at.words, reinterpret_cast<float*>(of_part + at.scales), at.row_words};
    };
    of_parts[part] = {place(x), place(h), place(c), reinterpret_cast<float*>(of_part + sums)};
  }
  return of_parts;
}

template <class T>
void carve_scratch(ForwardTask<T>& task, Index lanes, Index rows, ForwardWorkspace<T>& workspace) {
  const ForwardWeights<T>& w = task.weights;
  const Index units = w.panels * lanes, sums = kGates * lanes;
  const Index groups = (w.panels + kGates - 1) / kGates;
  const bool dense =
      w.terms > task.input_size + task.recurrent_size || w.quantized.dense.data != nullptr;
  task.h_width = spread_row<T>(task.recurrent_size);
  task.c_width = spread_row<T>(units);
  const Index width = task.c_width;
  Carver<T> carver;
  const Index h0 = carver.take(rows * task.h_width), h1 = carver.take(rows * task.h_width);
  const Index c0 = carver.take(rows * width), c1 = dense ? carver.take(rows * width) : c0;
  const Index outputs = carver.take(w.dense_output != nullptr ? rows * groups * sums : 0);
  const Index projected = carver.take(task.step_count > 1 ? kChunkRows * w.panels * sums : 0);
  const Index blocks = carver.take(rows * sums);
  const Index m = carver.take(w.projection != nullptr ? rows * width : 0);
  const bool norm = task.norm.form.any;
  task.norm.block_rows = norm ? norm_block_rows(task, lanes, rows) : 0;
  const Index norm_size = task.norm.block_rows * w.panels * sums;
  const Index of_norm = carver.take(norm_size);
  const Index of_input = carver.take(task.norm.form.products ? norm_size : 0);
  const Index norm_c = carver.take(norm ? units : 0);
  T* const values = workspace.values(carver.size());
  task.h_rows[0] = values + h0;
  task.h_rows[1] = values + h1;
  task.c_rows[0] = values + c0;
  task.c_rows[1] = values + c1;
  task.output_sums = values + outputs;
  task.projected = values + projected;
  task.sums = values + blocks;
  task.m_rows = values + m;
  task.norm.sums = values + of_norm;
  task.norm.input_sums = values + of_input;
  task.norm.c = values + norm_c;
}

}  // namespace

template <class T>
ForwardTask<T> prepare_forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
                               ForwardWorkspace<T>& workspace, RankRange ranks, Index parts) {
  const LayerSpec& spec = layer.spec;
  const Index H = spec.hidden_size;
  ForwardTask<T> task = {};
  task.input_size = spec.input_size;
  task.hidden_size = H;
  task.recurrent_size = spec.recurrent_size();
  task.activations = spec.activations;
  task.standard = is_standard(spec);
  task.coupled_input_forget = spec.coupled_input_forget;
  task.output_reads_current = spec.output_reads_current();
  task.cell_clip = static_cast<T>(spec.cell_clip);
  task.preactivation_clip = static_cast<T>(spec.preactivation_clip);
  task.clips_projection = spec.projection_clip.has_value();
  task.projection_clip = static_cast<T>(spec.projection_clip.value_or(0));
  task.peephole_gates = peephole_gates(spec, Peephole::diagonal);
  task.weights = packed.view();
  task.norm.form = norm_form(spec);
  task.norm.normalised = layer.norm.normalised;
  task.norm.scales = layer.norm.scales;
  ForwardStep* const steps = workspace.steps(layer.schedule.steps());
  task.steps = steps;
  task.step_count = list_steps(layer, ranks, steps);
  task.x = layer.x.data;
  task.x_stride = layer.x.stride;
  task.h = layer.h.data;
  task.h_stride = layer.h.stride;
  task.gates = layer.gates;
  task.c = layer.c;
  task.clipped = layer.clipped;
  task.unclipped = layer.unclipped;
  task.state_h = layer.state_h + ranks.begin * task.recurrent_size;
  task.state_c = layer.state_c + ranks.begin * H;
  const Index rows = std::max<Index>(ranks.end - ranks.begin, 0);
  const Index lanes = lanes_of<T>(packed.isa());
  carve_scratch(task, lanes, rows, workspace);
  task.quantized = carve_quantized(task, lanes, rows, parts, workspace);
  return task;
}

template <class T>
void run_forward(const ForwardTask<T>& task, Isa isa, const TeamPart& team) noexcept {
  if constexpr (std::is_same_v<T, float>) {
    if (task.weights.quantized.any) {
      const QuantizedKernels& quantized = quantized_kernels_of(isa);
      return task.norm.form.any ? quantized.norm_forward(task) : quantized.forward(task, team);
    }
  }
  const ForwardKernels<T>& kernels = forward_kernels_of<T>(isa);
  if (task.norm.form.any) return kernels.norm_forward(task);
  kernels.forward(task, team);
}

template ForwardTask<float> prepare_forward(const LayerForward<float>&, const PackedForward<float>&,
                                            ForwardWorkspace<float>&, RankRange, Index);
template ForwardTask<double> prepare_forward(const LayerForward<double>&,
                                             const PackedForward<double>&,
                                             ForwardWorkspace<double>&, RankRange, Index);
template void run_forward(const ForwardTask<float>&, Isa, const TeamPart&) noexcept;
template void run_forward(const ForwardTask<double>&, Isa, const TeamPart&) noexcept;

}  // namespace peephole::kernels
