#pragma once

#include <cstddef>
#include <cstdint>

#include "stream/model.hpp"
#include "stream/session_slots.hpp"

/// The sessions of a pool as bytes, in the machine's byte order: a header; of each slot the id and
/// the next generation; and the states of the open sessions, in the order of the slots.
namespace peephole {

/// A number that differs, almost certainly, between models of other sizes, options, parameters or
/// type.
template <class T>
std::uint64_t fingerprint(const StreamModel<T>& model) noexcept;

/// A pool as snapshots see it.
template <class T>
struct SessionStore {
  std::uint64_t model;  // its fingerprint
  SessionSlots& slots;
  T* states;     // (capacity, values)
  Index values;  // of a state
};

template <class T>
std::size_t snapshot_bytes(const SessionStore<T>& store) noexcept;

/// data: snapshot_bytes() of memory, overwritten.
template <class T>
void write_snapshot(const SessionStore<T>& store, void* data) noexcept;

/// Replaces the sessions of `store` by those of a snapshot. Or: foreign, corrupt, and nothing is
/// changed.
template <class T>
SessionStatus read_snapshot(const void* data, std::size_t size,
                            const SessionStore<T>& store) noexcept;

}  // namespace peephole
