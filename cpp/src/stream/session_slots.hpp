#pragma once

#include <cstdint>
#include <vector>

#include "peephole/sessions.hpp"

namespace peephole {

/// Which sessions of a pool are open, and in which slot each one is: slots are places of states,
/// 0 <= slot < capacity. An id is a slot and the number of the sessions that were in it before, its
/// generation. All memory is allocated by the constructor.
class SessionSlots {
 public:
  explicit SessionSlots(Index capacity);

  Index capacity() const noexcept { return static_cast<Index>(slots_.size()); }
  Index open_count() const noexcept { return open_count_; }

  /// Slots are used in turn, so that no slot runs out of generations much before the others. Or:
  /// full.
  SessionStatus open(SessionId& id) noexcept;
  /// Of an open session.
  void close(SessionId id) noexcept;

  /// The slot of an open session, or -1.
  Index find(SessionId id) const noexcept;
  /// The id of the session in a slot, or -1.
  SessionId id_in(Index slot) const noexcept { return slots_[at(slot)].id; }
  /// The generation of the next session in a slot.
  std::int64_t next_generation(Index slot) const noexcept { return slots_[at(slot)].next; }

  /// Of a call over several sessions: the slots of its ids.
  struct Found {
    SessionStatus status;
    Index position;  // of the first id that is unknown or repeated
  };
  /// found (n,), overwritten. Each id is read once, so that another thread that writes to `ids`
  /// meanwhile does no harm.
  Found find(const SessionId* ids, Index n, Index* found) noexcept;

  /// Whether a session of this id could have been in `slot` before one of generation `next`.
  static bool is_consistent(SessionId id, Index slot, std::int64_t next) noexcept;
  /// Replaces all sessions: begin_restore(), then restore() for some slots with what id_in() and
  /// next_generation() returned, then end_restore(). Generations never go back.
  void begin_restore() noexcept;
  void restore(Index slot, SessionId id, std::int64_t next) noexcept;
  void end_restore() noexcept { list_free(); }

 private:
  struct Slot {
    SessionId id = -1;
    std::int64_t next = 0;
    std::uint64_t call = 0;  // the last call that had it
    Index free_after = -1;   // the next free slot, if this one is free
  };

  static std::size_t at(Index slot) noexcept { return static_cast<std::size_t>(slot); }
  void list_free() noexcept;
  void append_free(Index slot) noexcept;

  std::vector<Slot> slots_;
  Index open_count_ = 0;
  Index first_free_ = -1, last_free_ = -1;
  std::uint64_t call_ = 0;
};

}  // namespace peephole
