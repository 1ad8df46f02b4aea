#pragma once

#include "peephole/export.h"
#include "peephole/types.hpp"

/// Connectionist temporal classification: the loss of label sequences that are not aligned with the
/// steps. A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, ICML 2006, 369-376.
namespace peephole {

/// The labels of a batch, all sequences one after the other.
struct LabelSequences {
  Span<const Index> labels;
  Span<const Index> counts;  // (B,) labels of each sequence, 0 or more
};

/// -log p(labels | x) of each sequence, summed over all alignments, and its gradient.
///
/// In each step, softmax of the logits gives a label or the blank. A path stands for the labels
/// that are left after repeated outputs are merged and blanks are removed. With the states s of the
/// target, its labels with blanks before, between and after them, and y = softmax(z):
///
///     alpha[t, s] = y[t, s] (alpha[t-1, s] + alpha[t-1, s-1] + alpha[t-1, s-2])
///     beta[t, s]  = sum over the same successors s' of s: y[t+1, s'] beta[t+1, s']
///     p           = sum over s: alpha[t, s] beta[t, s]                  the same for every t
///     dl/dz[t, k] = y[t, k] - sum over the states of output k: alpha[t, s] beta[t, s] / p
///
/// s-2 is a predecessor only of labels that differ from the one before. Sums are of logarithms, in
/// double precision. A target that the steps cannot give has loss infinity, and NaN as gradient.
///
///   logits    (B, T, O), read
///   lengths   (B,) in 0..T; empty: all T
///   targets   labels in 0..O-1, none of them the blank
///   blank     in 0..O-1
///   losses    (B,), overwritten
///   gradient  (B, T, O), overwritten; 0 beyond a sequence's length. It must not overlap the
///   logits.
///
/// Throws std::invalid_argument for wrong arguments, before anything is written; Interrupted.
template <class T>
PEEPHOLE_API void ctc(SequenceView<const T> logits, Span<const Index> lengths,
                      const LabelSequences& targets, Index blank, Span<double> losses,
                      SequenceView<T> gradient);

}  // namespace peephole
