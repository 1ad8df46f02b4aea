#include "kernels/host/backward.hpp"

#include <algorithm>

#include "base/arithmetic.hpp"
#include "kernels/host/options.hpp"
#include "kernels/host/table.hpp"

namespace peephole::kernels {
namespace {

// A chunk's da should still be in L2 when it is multiplied. But a chunk should have enough rows
// that the gradients of weights, which are read and written once per chunk, cost little beside the
// products.
constexpr Index kChunkBytes = Index{1} << 20;
constexpr Index kMinChunkRows = 256;

// This many bytes of da stay in L2 while all inputs are read.
constexpr Index kBlockBytes = Index{1} << 19;

// The number of inputs from which copying da pays: 192 neither gain nor lose.
constexpr Index kWidthWorthPanels = 256;

// This many columns of da make up for gathering the inputs they are multiplied by.
constexpr Index kWorthwhileColumns = 128;
// Shares per thread: small shares, so that the others wait little for the last one.
constexpr Index kMostShares = 8;

// With fewer rows, transposing the gradient at the end does not pay.
constexpr Index kRowsWorthTransposing = 16;

/// The steps of all sequences in the order of computation, which is that of forward reversed.
Index list_steps(const Schedule& schedule, Direction direction, Step* steps) {
  const Index time = schedule.steps();
  for (Index s = 0; s < time; ++s) {
    const Index t = direction == Direction::forward ? time - 1 - s : s;
    steps[s] = {schedule.offset(t), schedule.rows(t)};
  }
  return time;
}

void list_previous(const Step* steps, Index count, Index* previous) {
  for (Index s = 0; s < count; ++s) {
    const Step now = steps[s], before = s + 1 < count ? steps[s + 1] : Step{0, 0};
    Index* const rows = previous + now.row;
    for (Index rank = 0; rank < now.rows; ++rank) {
      rows[rank] = rank < before.rows ? before.row + rank : ~rank;
    }
  }
}

/// Cuts the steps into chunks of at least `enough_rows` rows.
Index list_chunks(const Step* steps, Index count, Index enough_rows, BackwardChunk* chunks) {
  Index chunk_count = 0;
  for (Index s = 0; s < count;) {
    BackwardChunk& chunk = chunks[chunk_count++];
    chunk = {s, s, steps[s].row, 0};
    while (s < count && chunk.rows < enough_rows) {
      chunk.row = std::min(chunk.row, steps[s].row);
      chunk.rows += steps[s++].rows;
    }
    chunk.last = s;
  }
  return chunk_count;
}

/// Whether the gradient of weights (4H, width) is summed transposed: if vectors along 4H are filled
/// better than along the width.
bool worth_transposing(Index width, Index H, Index lanes) {
  const Index transposed = width * divide_up(kGates * H, lanes);
  return width < kGates * lanes && transposed < kGates * H * divide_up(width, lanes);
}

template <class T>
void carve_scratch(BackwardTask<T>& task, Index lanes, Index batch, int threads,
                   BackwardWorkspace<T>& workspace) {
  constexpr Index line = kLineValues<T>;
  const Index I = task.input_size, H = task.hidden_size, P = task.recurrent_size;
  const Index group = kGates * lanes;
  Index chunk_rows = 0, rows = 0;
  for (Index k = 0; k < task.chunk_count; ++k) {
    chunk_rows = std::max(chunk_rows, task.chunks[k].rows);
    rows += task.chunks[k].rows;
  }
  // An odd number of lines: rows a power of 2 apart would share cache sets.
  const Index da_lines = divide_up(kGates * H, line);
  task.columns_stride = (da_lines | 1) * line;
  task.sums_size = batch * group;
  task.inputs_size = kProductRows * group;
  const Index block_lines =
      std::max<Index>(1, kBlockBytes / (std::max<Index>(1, chunk_rows) * line * Index{sizeof(T)}));
  task.block_columns = std::min(block_lines, divide_up(kGates * H, line)) * line;
  const bool many = rows >= kRowsWorthTransposing || task.accumulate;
  const Index ih_size = many && worth_transposing(I, H, lanes) ? I * task.columns_stride : 0;
  const Index hh_size = many && worth_transposing(P, H, lanes) ? P * task.columns_stride : 0;
  // If gates begin at cache lines, da is written in panels; otherwise it is copied into them.
  const bool worth_panels = I + P >= kWidthWorthPanels;
  const bool in_panels =
      worth_panels && rows >= kRowsWorthTransposing && ih_size == 0 && H > group && H % line == 0;
  task.panels_size = worth_panels && !in_panels ? chunk_rows * task.block_columns : 0;
  const Index da_size =
      in_panels ? (chunk_rows | 1) * da_lines * line : chunk_rows * task.columns_stride;
  const bool projects = task.dweight_hr != nullptr;
  task.dh_rows_stride = projects ? spread_row<T>(P) : 0;
  task.m_rows_stride = projects ? spread_row<T>(H) : 0;
  const Index projection_size =
      projects ? chunk_rows * (task.dh_rows_stride + task.m_rows_stride) + H : 0;
  // Vectors at a row's end may reach into the next.
  const bool norm = task.norm.form.any, products = task.norm.form.products;
  const Index norm_size = norm ? chunk_rows * (task.columns_stride + 2 * round_up(H, line)) : 0;
  T* at = workspace.values(da_size + ih_size + hh_size + projection_size + group + norm_size +
                           (products ? da_size : 0) +
                           threads * (task.sums_size + task.inputs_size + task.panels_size));
  const auto take = [&](Index size) {
    T* const taken = at;
    at += size;
    return taken;
  };
  task.da = {take(da_size), in_panels ? line : task.columns_stride,
             in_panels ? (chunk_rows | 1) * line : line, in_panels};
  task.dweight_ih_columns = ih_size > 0 ? take(ih_size) : nullptr;
  task.dweight_hh_columns = hh_size > 0 ? take(hh_size) : nullptr;
  if (projects) {
    task.dh_rows = take(chunk_rows * task.dh_rows_stride);
    task.m_rows = take(chunk_rows * task.m_rows_stride);
    task.zeros = take(H);
    std::fill_n(task.zeros, H, T{0});
  }
  task.sums = take(threads * task.sums_size);
  task.inputs = take(threads * task.inputs_size);
  task.panels = take(threads * task.panels_size);
  task.norm.da_stride = task.columns_stride;
  task.norm.da = take(norm ? chunk_rows * task.columns_stride : 0);
  task.norm.dc = take(norm ? chunk_rows * round_up(H, line) : 0);
  task.norm.normalised_c = take(norm ? chunk_rows * round_up(H, line) : 0);
  task.norm.da_h = take(products ? da_size : 0);
}

/// Threads take shares one at a time, so that slower threads do less. The gradient of x, each share
/// of which reads all of W, has one share per thread; the shares of the weights' gradients are
/// small enough for all threads to end at about the same time.
template <class T>
void share_products(BackwardTask<T>& task, int threads) {
  const Index most = kGates * task.hidden_size / kWorthwhileColumns;
  task.input_shares = task.dx != nullptr ? threads : 0;
  task.weight_shares = threads == 1 ? 1 : std::clamp<Index>(most, threads, kMostShares * threads);
}

/// columns (width, columns_stride) = a gradient (4H, width), transposed.
template <class T>
void load_columns(const T* gradient, Index width, const BackwardTask<T>& task, T* columns) {
  if (columns == nullptr) return;
  for (Index m = 0; m < kGates * task.hidden_size; ++m) {
    for (Index i = 0; i < width; ++i)
      columns[i * task.columns_stride + m] = gradient[m * width + i];
  }
}

template <class T>
void set_layer(BackwardTask<T>& task, const LayerBackward<T>& layer) {
  const LayerSpec& spec = layer.spec;
  task.input_size = spec.input_size;
  task.hidden_size = spec.hidden_size;
  task.recurrent_size = spec.recurrent_size();
  task.activations = spec.activations;
  task.standard = is_standard(spec);
  task.coupled_input_forget = spec.coupled_input_forget;
  task.output_reads_current = spec.output_reads_current();
  task.clips_cell = spec.clips_cell();
  task.cell_clip = static_cast<T>(spec.cell_clip);
  task.clips_projection = spec.projection_clip.has_value();
  task.projection_clip = static_cast<T>(spec.projection_clip.value_or(0));
  task.diagonal_gates = peephole_gates(spec, Peephole::diagonal);
  task.dense_gates = peephole_gates(spec, Peephole::dense);
  task.x = layer.x.data;
  task.x_stride = layer.x.stride;
  task.h = layer.h.data;
  task.h_stride = layer.h.stride;
  task.gates = layer.gates;
  task.c = task.state_c = layer.c;
  task.clipped = layer.clipped;
  task.unclipped = layer.unclipped;
  task.initial_h = layer.initial_h;
  task.initial_c = layer.initial_c;
  task.dh = layer.dh.data;
  task.dh_stride = layer.dh.stride;
  task.dx = layer.dx.data;
  task.dx_stride = layer.dx.stride;
  task.dstate_h = layer.dstate_h;
  task.dstate_c = layer.dstate_c;
  task.accumulate = layer.accumulate;
  task.dweight_ih = layer.dweights.weight_ih;
  task.dweight_hh = layer.dweights.weight_hh;
  task.dbias = layer.dweights.bias;
  if (spec.projection_size) task.dweight_hr = layer.dweights.weight_hr;
  task.norm.form = norm_form(spec);
  task.norm.normalised = layer.norm.normalised;
  task.norm.scales = layer.norm.scales;
  const bool by_products = task.norm.form.products;
  task.norm.gain = by_products ? layer.weights.gain_ih : layer.weights.gain;
  task.norm.gain_hh = layer.weights.gain_hh;
  task.norm.gain_c = layer.weights.gain_c;
  task.norm.shift_c = layer.weights.shift_c;
  task.norm.dgain = by_products ? layer.dweights.gain_ih : layer.dweights.gain;
  task.norm.dgain_hh = layer.dweights.gain_hh;
  task.norm.dgain_c = layer.dweights.gain_c;
  task.norm.dshift_c = layer.dweights.shift_c;
  if (spec.peephole == Peephole::diagonal) task.ddiagonal = layer.dweights.weight_ch;
  if (spec.peephole == Peephole::dense) task.dweight_ch = layer.dweights.weight_ch;
}

}  // namespace

template <class T>
Index chunk_rows(Index hidden_size) noexcept {
  return std::max(kMinChunkRows, kChunkBytes / (kGates * hidden_size * Index{sizeof(T)}));
}

template <class T>
BackwardTask<T> prepare_backward(const LayerBackward<T>& layer, const PackedBackward<T>& packed,
                                 BackwardWorkspace<T>& workspace, int threads) {
  const Schedule& schedule = layer.schedule;
  const Index time = schedule.steps();
  BackwardTask<T> task = {};
  set_layer(task, layer);
  task.weights = packed.view();

  Step* const steps = workspace.steps(time);
  list_steps(schedule, layer.direction, steps);
  task.steps = steps;
  Index* const previous = workspace.previous(schedule.packed_rows());
  list_previous(steps, time, previous);
  task.previous = previous;
  BackwardChunk* const chunks = workspace.chunks(time);
  task.chunk_count = list_chunks(steps, time, chunk_rows<T>(task.hidden_size), chunks);
  task.chunks = chunks;
  const Index lanes = lanes_of<T>(packed.isa());
  carve_scratch(task, lanes, schedule.batch(), threads, workspace);
  share_products(task, threads);
  if (task.chunk_count == 0 && !layer.accumulate) set_zero(layer.spec, layer.dweights);
  if (layer.accumulate) {
    load_columns(task.dweight_ih, task.input_size, task, task.dweight_ih_columns);
    load_columns(task.dweight_hh, task.recurrent_size, task, task.dweight_hh_columns);
  }
  return task;
}

template <class T>
void run_recurrence(const BackwardTask<T>& task, Isa isa, Index chunk, RankRange ranks,
                    const TeamPart& team) noexcept {
  const BackwardKernels<T>& kernels = backward_kernels_of<T>(isa);
  if (task.norm.form.any) {
    return kernels.norm_recurrence(task, task.chunks[chunk], ranks.begin, ranks.end);
  }
  kernels.recurrence(task, task.chunks[chunk], ranks.begin, ranks.end, team);
}

namespace {

/// The gradients of weights with layer normalisation. Those of biases, peepholes and gains are of
/// other values than da; with NormForm::products, so are those of R.
template <class T>
void norm_weight_gradients(const BackwardTask<T>& task, const BackwardChunk& chunk,
                           const ProductShare& share, const BackwardKernels<T>& kernels) noexcept {
  kernels.gain_gradients(task, chunk, share);
  BackwardTask<T> part = task;
  part.dbias = part.ddiagonal = nullptr;
  if (!task.norm.form.products) return kernels.weight_gradients(part, chunk, share);
  part.dweight_hh = part.dweight_hh_columns = nullptr;
  kernels.weight_gradients(part, chunk, share);
  part.dweight_hh = task.dweight_hh;
  part.dweight_hh_columns = task.dweight_hh_columns;
  part.dweight_ih = part.dweight_ih_columns = nullptr;
  part.da.data = task.norm.da_h;
  kernels.weight_gradients(part, chunk, share);
}

}  // namespace

template <class T>
void run_products(const BackwardTask<T>& task, Isa isa, Index chunk, Index share,
                  int thread) noexcept {
  const BackwardKernels<T>& kernels = backward_kernels_of<T>(isa);
  const bool of_input = share < task.input_shares;
  const ProductShare taken =
      of_input ? ProductShare{share, task.input_shares, thread}
               : ProductShare{share - task.input_shares, task.weight_shares, thread};
  const BackwardChunk& of = task.chunks[chunk];
  if (task.norm.form.any && !of_input) return norm_weight_gradients(task, of, taken, kernels);
  (of_input ? kernels.input_gradient : kernels.weight_gradients)(task, of, taken);
}

#define PEEPHOLE_INSTANTIATE(T)                                                                \
  template Index chunk_rows<T>(Index) noexcept;                                                \
  template BackwardTask<T> prepare_backward(const LayerBackward<T>&, const PackedBackward<T>&, \
                                            BackwardWorkspace<T>&, int);                       \
  template void run_recurrence(const BackwardTask<T>&, Isa, Index, RankRange,                  \
                               const TeamPart&) noexcept;                                      \
  template void run_products(const BackwardTask<T>&, Isa, Index, Index, int) noexcept
PEEPHOLE_INSTANTIATE(float);
PEEPHOLE_INSTANTIATE(double);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::kernels
