#include "stream/session_snapshot.hpp"

#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include "peephole/options.hpp"

namespace peephole {
namespace {

/// A hash of words, each of which changes it: FNV-1a (G. Fowler, L. C. Noll, P. Vo) over words in
/// place of bytes, with the upper half mixed into the lower one.
class WordHash {
 public:
  void word(std::uint64_t value) noexcept {
    hash_ = (hash_ ^ value) * 0x100000001b3;
    hash_ ^= hash_ >> 32;
  }
  /// Of the size, and of the bytes, with zeros up to whole words.
  void bytes(const void* data, std::size_t size) noexcept {
    word(size);
    for (const auto* from = static_cast<const unsigned char*>(data); size > 0;) {
      std::uint64_t next = 0;
      const std::size_t part = size < sizeof next ? size : sizeof next;
      std::memcpy(&next, from, part);
      word(next);
      from += part;
      size -= part;
    }
  }

  // The values of options.
  template <class Value>
  std::enable_if_t<std::is_arithmetic_v<Value> || std::is_enum_v<Value>> value(
      Value value) noexcept {
    bytes(&value, sizeof value);
  }
  void value(GateSet gates) noexcept {
    for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
      value(gates.contains(gate));
    }
  }
  void value(const Activations& a) noexcept {
    for (Activation activation : {a.i, a.f, a.g, a.o, a.c}) value(activation);
  }
  template <class Value>
  void value(const std::optional<Value>& optional) noexcept {
    value(optional.has_value());
    if (optional) value(*optional);
  }
  template <class Value>
  void value(const std::vector<Value>& values) noexcept {
    word(values.size());
    for (const Value& each : values) value(each);
  }

  std::uint64_t result() const noexcept { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

constexpr std::uint64_t kMagic = 0x31736e6f69737365;  // "essions1" in the bytes of a little endian

/// The first bytes of a snapshot.
struct SnapshotHeader {
  std::uint64_t magic;
  std::uint64_t model;
  std::uint64_t slots;     // of the pool
  std::uint64_t open;      // of them
  std::uint64_t values;    // of a state
  std::uint64_t checksum;  // of all other bytes
};

/// What a slot holds.
struct SlotRecord {
  SessionId id;
  std::int64_t next;
};

template <class T>
std::size_t bytes_of(std::uint64_t slots, std::uint64_t open, std::uint64_t values) noexcept {
  return static_cast<std::size_t>(sizeof(SnapshotHeader) + slots * sizeof(SlotRecord) +
                                  open * values * sizeof(T));
}

/// The checksum that belongs into a snapshot of `size` bytes.
std::uint64_t checksum_of(SnapshotHeader header, const void* data, std::size_t size) noexcept {
  header.checksum = 0;
  WordHash hash;
  hash.bytes(&header, sizeof header);
  hash.bytes(static_cast<const char*>(data) + sizeof header, size - sizeof header);
  return hash.result();
}

SlotRecord record_of(const void* data, Index slot) noexcept {
  SlotRecord record;
  const auto* const records = static_cast<const char*>(data) + sizeof(SnapshotHeader);
  std::memcpy(&record, records + static_cast<std::size_t>(slot) * sizeof record, sizeof record);
  return record;
}

/// Whether the records of `slots` slots can be those of a pool of which `open` are open.
bool records_fit(const void* data, Index slots, std::uint64_t open) noexcept {
  std::uint64_t count = 0;
  for (Index slot = 0; slot < slots; ++slot) {
    const SlotRecord record = record_of(data, slot);
    if (!SessionSlots::is_consistent(record.id, slot, record.next)) return false;
    if (record.id >= 0) ++count;
  }
  return count == open;
}

}  // namespace

template <class T>
std::uint64_t fingerprint(const StreamModel<T>& model) noexcept {
  WordHash hash;
  const auto add = [&](const auto&, const auto& value) { hash.value(value); };
  hash.value(sizeof(T));
  hash.value(model.head.has_value());
  if (model.head) {
    for_each_size(model.config, add);
    for_each_option(model.config, add);
  } else {
    for_each_size(model.config.lstm, add);
    for_each_option(model.config.lstm, add);
  }
  hash.bytes(model.values.data(), static_cast<std::size_t>(model.value_count) * sizeof(T));
  return hash.result();
}

template <class T>
std::size_t snapshot_bytes(const SessionStore<T>& store) noexcept {
  return bytes_of<T>(static_cast<std::uint64_t>(store.slots.capacity()),
                     static_cast<std::uint64_t>(store.slots.open_count()),
                     static_cast<std::uint64_t>(store.values));
}

template <class T>
void write_snapshot(const SessionStore<T>& store, void* data) noexcept {
  SnapshotHeader header = {kMagic,
                           store.model,
                           static_cast<std::uint64_t>(store.slots.capacity()),
                           static_cast<std::uint64_t>(store.slots.open_count()),
                           static_cast<std::uint64_t>(store.values),
                           0};
  char* to = static_cast<char*>(data) + sizeof header;
  const auto write = [&](const void* from, std::size_t size) {
    std::memcpy(to, from, size);
    to += size;
  };
  for (Index slot = 0; slot < store.slots.capacity(); ++slot) {
    const SlotRecord record = {store.slots.id_in(slot), store.slots.next_generation(slot)};
    write(&record, sizeof record);
  }
  for (Index slot = 0; slot < store.slots.capacity(); ++slot) {
    if (store.slots.id_in(slot) < 0) continue;
    write(store.states + slot * store.values, static_cast<std::size_t>(store.values) * sizeof(T));
  }
  header.checksum = checksum_of(header, data, snapshot_bytes(store));
  std::memcpy(data, &header, sizeof header);
}

template <class T>
SessionStatus read_snapshot(const void* data, std::size_t size,
                            const SessionStore<T>& store) noexcept {
  SnapshotHeader header;
  if (size < sizeof header) return SessionStatus::corrupt;
  std::memcpy(&header, data, sizeof header);
  if (header.magic != kMagic) return SessionStatus::corrupt;
  if (header.checksum != checksum_of(header, data, size)) return SessionStatus::corrupt;
  if (header.model != store.model || header.values != static_cast<std::uint64_t>(store.values) ||
      header.slots > static_cast<std::uint64_t>(store.slots.capacity())) {
    return SessionStatus::foreign;
  }
  if (header.open > header.slots || size != bytes_of<T>(header.slots, header.open, header.values)) {
    return SessionStatus::corrupt;
  }
  const auto slots = static_cast<Index>(header.slots);
  if (!records_fit(data, slots, header.open)) return SessionStatus::corrupt;

  store.slots.begin_restore();
  const char* from = static_cast<const char*>(data) + bytes_of<T>(header.slots, 0, 0);
  for (Index slot = 0; slot < slots; ++slot) {
    const SlotRecord record = record_of(data, slot);
    store.slots.restore(slot, record.id, record.next);
    if (record.id < 0) continue;
    const std::size_t bytes = static_cast<std::size_t>(store.values) * sizeof(T);
    std::memcpy(store.states + slot * store.values, from, bytes);
    from += bytes;
  }
  store.slots.end_restore();
  return SessionStatus::ok;
}

#define PEEPHOLE_INSTANTIATE(T)                                         \
  template std::uint64_t fingerprint(const StreamModel<T>&) noexcept;   \
  template std::size_t snapshot_bytes(const SessionStore<T>&) noexcept; \
  template void write_snapshot(const SessionStore<T>&, void*) noexcept; \
  template SessionStatus read_snapshot(const void*, std::size_t, const SessionStore<T>&) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
