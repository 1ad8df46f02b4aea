#pragma once

#include <memory>
#include <vector>

#include "stream/model.hpp"

namespace peephole {

/// A call over n sessions. Several of them are computed together; each one's state is where `slots`
/// says.
template <class T>
struct SessionCall {
  const Index* slots;  // (n,): different ones
  Index n;
  const T* x;  // (n, steps, I), read
  T* y;        // (n, steps, O), overwritten; may be x
  Index steps;
  const Index* lengths;  // (n,), or null: all have all steps
  const Index* order;    // (n,), with lengths: the positions 0..n-1, the longest sessions first
};

/// Computes calls in blocks of rows: the states of a block are copied to where the kernels read
/// them, advance together, and are copied back. A block is small enough to stay in cache. All
/// memory is allocated by the constructor.
///
/// A session's state is values(model) values: of each layer h (P,), then c (H,).
template <class T>
class SessionRows {
 public:
  explicit SessionRows(std::shared_ptr<const StreamModel<T>> model);
  SessionRows(const SessionRows&) = delete;
  SessionRows& operator=(const SessionRows&) = delete;

  static Index values(const StreamModel<T>& model) noexcept;
  /// Where h and c of a layer begin in a state.
  static Index h_of(const StreamModel<T>& model, Index layer) noexcept;
  static Index c_of(const StreamModel<T>& model, Index layer) noexcept;
  /// Sets a state to what sessions begin with.
  static void begin(const StreamModel<T>& model, T* state) noexcept;

  /// states  (slots, values), replaced for the sessions of the call
  ///
  /// In the caller's floating-point mode. False if the call was interrupted: then the sessions of
  /// some blocks have advanced, and the others have not.
  bool run(const SessionCall<T>& call, T* states) noexcept;

 private:
  /// Sessions of a call that are computed together: row r is the session at position order[r], or,
  /// without an order, first + r.
  struct Block {
    Index first, rows;
    const Index* order;

    Index position(Index row) const noexcept { return order != nullptr ? order[row] : first + row; }
  };

  /// The states of a block as rows; those of one row have kernels of their own.
  std::vector<LayerSteps<T>>& layers(const Block& block) noexcept {
    return block.rows == 1 ? one_ : many_;
  }
  Index block_rows(Index n) const noexcept;
  void gather(const SessionCall<T>& call, const Block& block, const T* states) noexcept;
  void scatter(const SessionCall<T>& call, const Block& block, T* states) noexcept;
  bool run_block(const SessionCall<T>& call, const Block& block) noexcept;
  /// Step t of the first `rows` rows.
  void step(const SessionCall<T>& call, const Block& block, Index t, Index rows) noexcept;

  const std::shared_ptr<const StreamModel<T>> model_;
  Schedule one_row_, many_rows_;
  std::vector<LayerSteps<T>> one_, many_;
  Buffer<T> x_, y_;  // (most rows, I) and (most rows, O): of a step, with an order
  Buffer<T> input_;  // (most rows, D): the output of the dense layer before the stack, of a step
};

extern template class SessionRows<float>;
extern template class SessionRows<double>;

}  // namespace peephole
