#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The matrix products of backward: a few rows times a few vectors of columns, with the sums in
/// registers.
namespace peephole::kernels {
namespace {

/// Vectors of a group of columns.
inline constexpr int kGroupVectors = kGates;

/// The position of a column in a row of lines; in panels, the column must begin a vector.
template <class T>
[[gnu::always_inline]] inline Index offset(const Lines<T>& lines, Index column) {
  constexpr Index kLine = kLineValues<T>;
  return column / kLine * lines.line_stride + column % kLine;
}

/// The position of the next vector, given that the column is at `at`.
template <Index kLanes, class T>
[[gnu::always_inline]] inline Index next_offset(const Lines<T>& lines, Index column, Index at) {
  constexpr Index kLine = kLineValues<T>;
  const bool last = kLanes == kLine || column % kLine == kLine - kLanes;
  return at + kLanes + (last ? lines.line_stride - kLine : 0);
}

/// The factor that is broadcast: (rows, terms), or (terms, rows) if it is read transposed. A row of
/// terms is one run of memory, or in panels one line after the other.
template <class T>
struct Left {
  const T* data;
  Index stride;
  Index line_stride = kLineValues<T>;
};

/// The factor that is read by vectors, (terms, columns): groups of kGroupVectors vectors.
template <class T>
struct Right {
  const T* data;
  Index stride;
  Index group_stride;
  Index tail;  // values of the last vector, where it is not whole
};

/// What is used after a product, in runs of kGroupVectors vectors: first those listed, then those
/// from `data` on. During the product, one run is prefetched into L2 every kGroupVectors terms. A
/// burst of prefetches between products would wait, since few lines can be in flight at a time.
template <class T>
struct Upcoming {
  const T* const* list = nullptr;
  Index listed = 0;  // terms
  const T* data = nullptr;
  Index terms = 0;  // all of them

  template <class V>
  [[gnu::always_inline]] void fetch(Index k) const {
    constexpr int kVectorsOfLine = V::lanes * sizeof(T) < 64 ? 64 / (V::lanes * sizeof(T)) : 1;
    if (k % kGroupVectors != 0 || k >= terms) return;
    const T* const run = k < listed ? list[k / kGroupVectors] : data + (k - listed) * V::lanes;
#pragma GCC unroll 4
    for (int c = 0; c < kGroupVectors; c += kVectorsOfLine) {
      __builtin_prefetch(run + c * V::lanes, 0, 2);
    }
  }
};

/// How many lines ahead of the current one a row is prefetched. In panels, the lines of a row are
/// not neighbours, so the processor does not prefetch them by itself.
inline constexpr Index kLinesAhead = 2;

/// add_product() with factors taken from lanes.
template <bool kTransposed, bool kTail, class V, int R, int C, class T>
[[gnu::always_inline]] inline void add_product_by_lane(V (&sums)[R][C], const Left<T>& left,
                                                       const Right<T>& right, Index terms,
                                                       const Upcoming<T>& upcoming) {
  constexpr int kGroups = (C + kGroupVectors - 1) / kGroupVectors;
  const T* groups[kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) groups[g] = right.data + g * right.group_stride;
  const auto sum = [&](int r, int c) __attribute__((always_inline)) -> V& { return sums[r][c]; };
  const auto vector = [&](int c) __attribute__((always_inline)) {
    const T* const from = groups[c / kGroupVectors] + c % kGroupVectors * V::lanes;
    return kTail && c == C - 1 ? V::load(from, right.tail) : V::load(from);
  };
  const auto next = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) groups[g] += right.stride;
  };
  if constexpr (kTransposed) {
    const T* factors = left.data;
    const auto add = [&]() __attribute__((always_inline)) {
      add_neighbours<R, C, V>(factors, vector, sum);
      factors += left.stride;
      next();
    };
    // Two terms at a time, as the other instructions of a loop would take a fifth of the time.
    static_assert(kGroupVectors % 2 == 0);  // only the first may be one that prefetches
    Index k = 0;
    for (; k + 2 <= terms; k += 2) {
      upcoming.template fetch<V>(k);
      add();
      add();
    }
    if (k < terms) {
      upcoming.template fetch<V>(k);
      add();
    }
  } else {
    const T* rows[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) rows[r] = left.data + r * left.stride;
    constexpr Index kLanes = V::lanes, kLine = kLineValues<T>;
    static_assert(kGroupVectors % kLanes == 0 && kLine % kLanes == 0);  // as above
    if (left.line_stride == kLine) {
      Index k = 0;
      for (; k + kLanes <= terms; k += kLanes) {
        upcoming.template fetch<V>(k);
        add_lanes<C, V>(rows, k, vector, next, sum);
      }
#pragma GCC unroll 1
      for (; k < terms; ++k) {
        upcoming.template fetch<V>(k);
        add_one<C, V>(rows, k, vector, next, sum);
      }
      return;
    }
    for (Index k = 0, line = 0; k < terms; k += kLine, line += left.line_stride) {
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        __builtin_prefetch(rows[r] + line + kLinesAhead * left.line_stride);
      }
#pragma GCC unroll 1
      for (Index at = 0; at < kLine; at += kLanes) {
        upcoming.template fetch<V>(k + at);
        add_lanes<C, V>(rows, line + at, vector, next, sum);
      }
    }
  }
}

/// sums += left * right over `terms`, in order.
template <bool kTransposed, bool kTail, class V, int R, int C, class T>
[[gnu::always_inline]] inline void add_product(V (&sums)[R][C], const Left<T>& left,
                                               const Right<T>& right, Index terms,
                                               const Upcoming<T>& upcoming) {
  if constexpr (V::by_lane) {
    add_product_by_lane<kTransposed, kTail>(sums, left, right, terms, upcoming);
    return;
  }
  const T* rows[R];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) rows[r] = left.data + (kTransposed ? r : r * left.stride);
  const T* vectors = right.data;
  const auto vector = [&](int c) {
    const T* const from =
        vectors + c / kGroupVectors * right.group_stride + c % kGroupVectors * V::lanes;
    return kTail && c == C - 1 ? V::load(from, right.tail) : V::load(from);
  };
  const auto add = [&](Index k, Index at) __attribute__((always_inline)) {
    upcoming.template fetch<V>(k);
    if constexpr (V::registers == 32 && C <= kGroupVectors) {
      V w[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) w[c] = vector(c);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const V factor = V::broadcast(kTransposed ? rows[0][at + r] : rows[r][at]);
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) sums[r][c] = fma(w[c], factor, sums[r][c]);
      }
    } else {
      // Few registers: hold the factors, and take one vector at a time.
      V factor[R];
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        factor[r] = V::broadcast(kTransposed ? rows[0][at + r] : rows[r][at]);
      }
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) {
        const V w = vector(c);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) sums[r][c] = fma(w, factor[r], sums[r][c]);
      }
    }
    vectors += right.stride;
  };
  constexpr Index kLine = kLineValues<T>;
  if (kTransposed || left.line_stride == kLine) {
    for (Index k = 0; k < terms; ++k) add(k, kTransposed ? k * left.stride : k);
    return;
  }
  for (Index k = 0, line = 0; k < terms; k += kLine, line += left.line_stride) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      __builtin_prefetch(rows[r] + line + kLinesAhead * left.line_stride);
    }
    for (Index at = 0; at < kLine; ++at) add(k + at, line + at);
  }
}

/// One row of products, whose terms are cut into kChains equal chains, formed together: a single
/// chain would mostly wait for its own additions. The left factors of consecutive chains are
/// `apart` elements apart.
template <int kChains, bool kTail, class V, int C, class T>
[[gnu::always_inline]] inline void chained_product(V (&sums)[C], const T* left, Index apart,
                                                   const Right<T>& right, Index terms) {
  V chains[kChains][C];
#pragma GCC unroll 4
  for (int j = 0; j < kChains; ++j) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) chains[j][c] = V::zero();
  }
  const Index length = terms / kChains;
  for (Index k = 0; k < length; ++k) {
#pragma GCC unroll 4
    for (int j = 0; j < kChains; ++j) {
      const V factor = V::broadcast(left[j * apart + k]);
      const T* const vectors = right.data + (j * length + k) * right.stride;
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const V w = kTail && c == C - 1 ? V::load(vectors + c * V::lanes, right.tail)
                                        : V::load(vectors + c * V::lanes);
        chains[j][c] = fma(w, factor, chains[j][c]);
      }
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
    sums[c] = chains[0][c];
#pragma GCC unroll 4
    for (int j = 1; j < kChains; ++j) sums[c] = sums[c] + chains[j][c];
  }
}

/// Chains of the recurrent product of a layer whose units fill so many vectors, at most a group.
constexpr int recurrence_chains(int vectors) { return vectors <= 2 ? kGates : 2; }

/// How a tile's sums combine with the result so far: not at all; as their first value (`before`);
/// or added when they are complete (`after`).
enum class Onto { nothing, before, after };

/// Rows of results.
template <class T>
struct Result {
  T* data;
  Index stride;
  Index tail;  // values of the last vector, where it is not whole
};

/// result (R, C vectors) = left * right, combined with its old value as `onto` says.
template <class V, int R, int C, bool kTransposed, bool kTail, class T = typename V::Scalar>
void product_tile(const Left<T>& left, const Right<T>& right, Index terms, Onto onto,
                  const Result<T>& result, const Upcoming<T>& upcoming = {}) {
  const auto at = [&](int r, int c) { return result.data + r * result.stride + c * V::lanes; };
  const auto held = [&](int r, int c) {
    return c == C - 1 && result.tail < V::lanes ? V::load(at(r, c), result.tail)
                                                : V::load(at(r, c));
  };
  V sums[R][C];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) sums[r][c] = V::zero();
  }
  if (onto == Onto::before) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) sums[r][c] = held(r, c);
    }
  }
  add_product<kTransposed, kTail>(sums, left, right, terms, upcoming);
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      if (onto == Onto::after) sums[r][c] = held(r, c) + sums[r][c];
      if (c == C - 1 && result.tail < V::lanes) {
        sums[r][c].store(at(r, c), result.tail);
      } else {
        sums[r][c].store(at(r, c));
      }
    }
  }
}

/// The same of some rows and `vectors` vectors, the last of which is read in part: this happens
/// only where weights are not packed, for the few rows of very short runs. Row by row, since tiles
/// of every height would take the compiler long for little.
template <class V, class T = typename V::Scalar>
void product_by_rows(Index vectors, Left<T> left, const Right<T>& right, Index terms, Onto onto,
                     Result<T> result, Index rows) {
  for (Index row = 0; row < rows; ++row) {
    with_constant<kGroupVectors>(vectors, [&](auto C) {
      product_tile<V, 1, C.value, false, true>(left, right, terms, onto, result);
    });
    left.data += left.stride;
    result.data += result.stride;
  }
}

}  // namespace
}  // namespace peephole::kernels
