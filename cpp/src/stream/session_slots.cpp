#include "stream/session_slots.hpp"

#include <algorithm>

namespace peephole {
namespace {

// 2^39 generations: a session a millisecond in one slot would last for 17 years.
constexpr int kSlotBits = 24;
static_assert(sizeof(SessionId) == sizeof(std::int64_t));
constexpr std::int64_t kGenerations = std::int64_t{1} << (63 - kSlotBits);
static_assert(Sessions<float>::kMostSessions == Index{1} << kSlotBits);

constexpr SessionId session_id(Index slot, std::int64_t generation) noexcept {
  return generation << kSlotBits | static_cast<std::int64_t>(slot);
}
constexpr Index slot_of(SessionId id) noexcept {
  return static_cast<Index>(id & ((std::int64_t{1} << kSlotBits) - 1));
}

}  // namespace

const char* to_string(SessionStatus status) noexcept {
  switch (status) {
    case SessionStatus::ok: return "ok";
    case SessionStatus::full: return "full";
    case SessionStatus::unknown: return "unknown";
    case SessionStatus::repeated: return "repeated";
    case SessionStatus::bad_length: return "bad length";
    case SessionStatus::interrupted: return "interrupted";
    case SessionStatus::foreign: return "foreign";
    case SessionStatus::corrupt: return "corrupt";
  }
  return "";
}

SessionSlots::SessionSlots(Index capacity) : slots_(at(capacity)) { list_free(); }

void SessionSlots::list_free() noexcept {
  first_free_ = last_free_ = -1;
  for (Index slot = 0; slot < capacity(); ++slot) {
    if (id_in(slot) < 0) append_free(slot);
  }
}

void SessionSlots::append_free(Index slot) noexcept {
  if (slots_[at(slot)].next == kGenerations) return;  // retired: its ids would repeat
  slots_[at(slot)].free_after = -1;
  (first_free_ < 0 ? first_free_ : slots_[at(last_free_)].free_after) = slot;
  last_free_ = slot;
}

SessionStatus SessionSlots::open(SessionId& id) noexcept {
  if (first_free_ < 0) return SessionStatus::full;
  const Index number = first_free_;
  Slot& slot = slots_[at(number)];
  first_free_ = slot.free_after;
  slot.id = id = session_id(number, slot.next++);
  ++open_count_;
  return SessionStatus::ok;
}

void SessionSlots::close(SessionId id) noexcept {
  slots_[at(slot_of(id))].id = -1;
  append_free(slot_of(id));
  --open_count_;
}

Index SessionSlots::find(SessionId id) const noexcept {
  if (id < 0) return -1;
  const Index slot = slot_of(id);
  return slot < capacity() && id_in(slot) == id ? slot : -1;
}

SessionSlots::Found SessionSlots::find(const SessionId* ids, Index n, Index* found) noexcept {
  ++call_;
  for (Index i = 0; i < n; ++i) {
    const Index slot = find(ids[i]);
    if (slot < 0) return {SessionStatus::unknown, i};
    if (slots_[at(slot)].call == call_) return {SessionStatus::repeated, i};
    slots_[at(slot)].call = call_;
    found[i] = slot;
  }
  return {SessionStatus::ok, 0};
}

bool SessionSlots::is_consistent(SessionId id, Index slot, std::int64_t next) noexcept {
  if (next < 0 || next > kGenerations) return false;
  if (id == -1) return true;
  return id >= 0 && slot_of(id) == slot && id >> kSlotBits < next;
}

void SessionSlots::begin_restore() noexcept {
  for (Slot& slot : slots_) slot.id = -1;
  open_count_ = 0;
}

void SessionSlots::restore(Index slot, SessionId id, std::int64_t next) noexcept {
  slots_[at(slot)].id = id;
  slots_[at(slot)].next = std::max(slots_[at(slot)].next, next);
  if (id >= 0) ++open_count_;
}

}  // namespace peephole
