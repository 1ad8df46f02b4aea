#include "kernels/host/backward.hpp"

#include <algorithm>

#include "kernels/host/choices.hpp"

namespace peephole::kernels {
namespace {

// A chunk's da should still be in L2 when it is multiplied, with rows enough that the gradients of
// weights, which pass through memory once a chunk, cost little next to the products.
constexpr Index kChunkBytes = Index{1} << 20;
constexpr Index kMinChunkRows = 256;

// Of da, so many bytes stay in L2 while all inputs pass by.
constexpr Index kBlockBytes = Index{1} << 19;

// Inputs of the weights for which copying da pays: 192 neither gain nor lose.
constexpr Index kWidthWorthPanels = 256;

// Of da, so many columns make up for gathering the inputs that they are multiplied by.
constexpr Index kWorthwhileColumns = 128;
// For each thread: what the last share may keep the others waiting for is then little.
constexpr Index kMostShares = 8;

// Fewer rows do not make up for transposing the gradient in the end.
constexpr Index kRowsWorthTransposing = 16;

Index divide_up(Index n, Index unit) { return (n + unit - 1) / unit; }

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

/// Cuts the steps into chunks of at least so many rows.
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

/// Whether the gradient of weights (4H, width) is summed transposed: vectors along 4H are then
/// filled better than along the width.
bool worth_transposing(Index width, Index H, Index lanes) {
  const Index transposed = width * divide_up(kGates * H, lanes);
  return width < kGates * lanes && transposed < kGates * H * divide_up(width, lanes);
}

template <class T>
void carve_scratch(BackwardPass<T>& pass, Index lanes, Index batch, int threads,
                   BackwardWorkspace<T>& workspace) {
  constexpr Index line = kLineValues<T>;
  const Index I = pass.input_size, H = pass.hidden_size, group = kGates * lanes;
  Index chunk_rows = 0, rows = 0;
  for (Index k = 0; k < pass.chunk_count; ++k) {
    chunk_rows = std::max(chunk_rows, pass.chunks[k].rows);
    rows += pass.chunks[k].rows;
  }
  // An odd number of lines: rows a power of 2 apart would share the same sets of the cache.
  const Index da_lines = divide_up(kGates * H, line);
  pass.columns_stride = (da_lines | 1) * line;
  pass.sums_size = batch * group;
  pass.inputs_size = kProductRows * group;
  const Index block_lines =
      std::max<Index>(1, kBlockBytes / (std::max<Index>(1, chunk_rows) * line * Index{sizeof(T)}));
  pass.block_columns = std::min(block_lines, divide_up(kGates * H, line)) * line;
  const bool many = rows >= kRowsWorthTransposing || pass.adds;
  const Index ih_size = many && worth_transposing(I, H, lanes) ? I * pass.columns_stride : 0;
  const Index hh_size = many && worth_transposing(H, H, lanes) ? H * pass.columns_stride : 0;
  // Where gates begin lines, da is written in panels; elsewhere it is copied into them.
  const bool worth_panels = I + H >= kWidthWorthPanels;
  const bool in_panels =
      worth_panels && rows >= kRowsWorthTransposing && ih_size == 0 && H > group && H % line == 0;
  pass.panels_size = worth_panels && !in_panels ? chunk_rows * pass.block_columns : 0;
  const Index da_size =
      in_panels ? (chunk_rows | 1) * da_lines * line : chunk_rows * pass.columns_stride;
  // Vectors at a row's end may reach into the next.
  T* at = workspace.values(da_size + ih_size + hh_size + group +
                           threads * (pass.sums_size + pass.inputs_size + pass.panels_size));
  const auto take = [&](Index size) {
    T* const taken = at;
    at += size;
    return taken;
  };
  pass.da = {take(da_size), in_panels ? line : pass.columns_stride,
             in_panels ? (chunk_rows | 1) * line : line, in_panels};
  pass.dweight_ih_columns = ih_size > 0 ? take(ih_size) : nullptr;
  pass.dweight_hh_columns = hh_size > 0 ? take(hh_size) : nullptr;
  pass.sums = take(threads * pass.sums_size);
  pass.inputs = take(threads * pass.inputs_size);
  pass.panels = take(threads * pass.panels_size);
}

/// Threads take the shares in turn, one at a time, so that the slower of them do less. The gradient
/// of x, which reads all of W for each, has one for each thread; those of the weights are then
/// small enough for all to end together.
template <class T>
void share_products(BackwardPass<T>& pass, int threads) {
  const Index most = kGates * pass.hidden_size / kWorthwhileColumns;
  pass.input_shares = pass.dx != nullptr ? threads : 0;
  pass.weight_shares = threads == 1 ? 1 : std::clamp<Index>(most, threads, kMostShares * threads);
}

/// columns (width, columns_stride) = a gradient (4H, width), transposed.
template <class T>
void load_columns(const T* gradient, Index width, const BackwardPass<T>& pass, T* columns) {
  if (columns == nullptr) return;
  for (Index m = 0; m < kGates * pass.hidden_size; ++m) {
    for (Index i = 0; i < width; ++i)
      columns[i * pass.columns_stride + m] = gradient[m * width + i];
  }
}

template <class T>
void set_layer(BackwardPass<T>& pass, const LayerBackward<T>& layer) {
  const LayerSpec& spec = layer.spec;
  pass.input_size = spec.input_size;
  pass.hidden_size = spec.hidden_size;
  pass.activations = spec.activations;
  pass.standard = is_standard(spec);
  pass.coupled_input_forget = spec.coupled_input_forget;
  pass.output_reads_current = spec.output_reads_current();
  pass.diagonal_gates = peephole_gates(spec, Peephole::diagonal);
  pass.dense_gates = peephole_gates(spec, Peephole::dense);
  pass.x = layer.x.data;
  pass.x_stride = layer.x.stride;
  pass.h = layer.h.data;
  pass.h_stride = layer.h.stride;
  pass.gates = layer.gates;
  pass.c = layer.c;
  pass.initial_h = layer.initial_h;
  pass.initial_c = layer.initial_c;
  pass.dh = layer.dh.data;
  pass.dh_stride = layer.dh.stride;
  pass.dx = layer.dx.data;
  pass.dx_stride = layer.dx.stride;
  pass.dstate_h = layer.dstate_h;
  pass.dstate_c = layer.dstate_c;
  pass.adds = layer.accumulate;
  pass.dweight_ih = layer.dweights.weight_ih;
  pass.dweight_hh = layer.dweights.weight_hh;
  pass.dbias = layer.dweights.bias;
  if (spec.peephole == Peephole::diagonal) pass.ddiagonal = layer.dweights.weight_ch;
  if (spec.peephole == Peephole::dense) pass.dweight_ch = layer.dweights.weight_ch;
}

}  // namespace

template <class T>
Index chunk_rows(Index hidden_size) noexcept {
  return std::max(kMinChunkRows, kChunkBytes / (kGates * hidden_size * Index{sizeof(T)}));
}

template <class T>
BackwardPass<T> prepare_backward(const LayerBackward<T>& layer, const PackedBackward<T>& packed,
                                 BackwardWorkspace<T>& workspace, int threads) {
  const Schedule& schedule = layer.schedule;
  const Index time = schedule.steps();
  BackwardPass<T> pass = {};
  set_layer(pass, layer);
  pass.weights = packed.view();

  Step* const steps = workspace.steps(time);
  list_steps(schedule, layer.direction, steps);
  pass.steps = steps;
  Index* const previous = workspace.previous(schedule.packed_rows());
  list_previous(steps, time, previous);
  pass.previous = previous;
  BackwardChunk* const chunks = workspace.chunks(time);
  pass.chunk_count = list_chunks(steps, time, chunk_rows<T>(pass.hidden_size), chunks);
  pass.chunks = chunks;
  const Index lanes = kernels::lanes<T>(backward_kernels(packed.isa()));
  carve_scratch(pass, lanes, schedule.batch(), threads, workspace);
  share_products(pass, threads);
  if (pass.chunk_count == 0 && !layer.accumulate) set_zero(layer.spec, layer.dweights);
  if (layer.accumulate) {
    load_columns(pass.dweight_ih, pass.input_size, pass, pass.dweight_ih_columns);
    load_columns(pass.dweight_hh, pass.hidden_size, pass, pass.dweight_hh_columns);
  }
  return pass;
}

template <class T>
void run_recurrence(const BackwardPass<T>& pass, Isa isa, Index chunk, RankRange ranks,
                    const TeamPart& team) noexcept {
  const BackwardKernels& kernels = backward_kernels(isa);
  if constexpr (sizeof(T) == sizeof(float)) {
    kernels.recurrence_float(pass, pass.chunks[chunk], ranks.begin, ranks.end, team);
  } else {
    kernels.recurrence_double(pass, pass.chunks[chunk], ranks.begin, ranks.end, team);
  }
}

template <class T>
void run_products(const BackwardPass<T>& pass, Isa isa, Index chunk, Index share,
                  int thread) noexcept {
  const BackwardKernels& kernels = backward_kernels(isa);
  const bool of_input = share < pass.input_shares;
  const ProductShare taken =
      of_input ? ProductShare{share, pass.input_shares, thread}
               : ProductShare{share - pass.input_shares, pass.weight_shares, thread};
  const BackwardChunk& of = pass.chunks[chunk];
  if constexpr (sizeof(T) == sizeof(float)) {
    (of_input ? kernels.input_gradient_float : kernels.weight_gradients_float)(pass, of, taken);
  } else {
    (of_input ? kernels.input_gradient_double : kernels.weight_gradients_double)(pass, of, taken);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                                \
  template Index chunk_rows<T>(Index) noexcept;                                                \
  template BackwardPass<T> prepare_backward(const LayerBackward<T>&, const PackedBackward<T>&, \
                                            BackwardWorkspace<T>&, int);                       \
  template void run_recurrence(const BackwardPass<T>&, Isa, Index, RankRange,                  \
                               const TeamPart&) noexcept;                                      \
  template void run_products(const BackwardPass<T>&, Isa, Index, Index, int) noexcept
PEEPHOLE_INSTANTIATE(float);
PEEPHOLE_INSTANTIATE(double);
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::kernels
