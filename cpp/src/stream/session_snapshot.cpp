#include "stream/session_snapshot.hpp"

#include <cstring>
#include <iterator>
#include <vector>

#include "stream/session_rows.hpp"

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
  template <class Value>
  void value(const Value& value) noexcept {
    static_assert(std::is_arithmetic_v<Value> || std::is_enum_v<Value>);
    bytes(&value, sizeof value);
  }
  template <class Value>
  void value(const std::optional<Value>& optional) noexcept {
    value(optional.has_value());
    if (optional) value(*optional);
  }

  std::uint64_t result() const noexcept { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

/// What determines the steps of a layer.
template <class T>
void hash_layer(const StepLayer<T>& layer, WordHash& hash) noexcept {
  const LayerSpec& spec = layer.spec;
  hash.value(spec.input_size);
  hash.value(spec.hidden_size);
  hash.value(spec.peephole);
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    hash.value(spec.peephole_gates.contains(gate));
  }
  hash.value(spec.output_peephole);
  const Activations& a = spec.activations;
  for (Activation activation : {a.i, a.f, a.g, a.o, a.c}) hash.value(activation);
  hash.value(spec.coupled_input_forget);
  hash.value(spec.cell_clip);
  hash.value(spec.preactivation_clip);
  hash.value(spec.layer_norm);
  if (spec.layer_norm) {
    hash.value(spec.layer_norm_cell);
    hash.value(spec.layer_norm_epsilon);
  }
  hash.value(spec.projection_size);
  hash.value(spec.projection_clip);
  hash.value(layer.noise.zoneout);
  LayerWeights<const T> weights = layer.weights;
  for_each_tensor(spec, weights, [&](const T* tensor, Index size) {
    hash.bytes(tensor, static_cast<std::size_t>(size) * sizeof(T));
  });
}

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
  return sizeof(SnapshotHeader) + slots * sizeof(SlotRecord) + open * values * sizeof(T);
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
  hash.value(sizeof(T));
  hash.value(model.layers.size());
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    hash_layer(model.layers[layer], hash);
    const LayerSpec& spec = model.layers[layer].spec;
    const auto& initial = model.initial[layer];
    hash.value(initial.h != nullptr);
    if (initial.h == nullptr) continue;
    hash.bytes(initial.h, static_cast<std::size_t>(spec.recurrent_size()) * sizeof(T));
    hash.bytes(initial.c, static_cast<std::size_t>(spec.hidden_size) * sizeof(T));
  }
  hash.value(model.head.has_value());
  if (model.head) {
    const auto [F, O, activation] = model.head->spec;
    hash.value(O);
    hash.value(activation);
    hash.bytes(model.head->weights.weight, static_cast<std::size_t>(F * O) * sizeof(T));
    hash.bytes(model.head->weights.bias, static_cast<std::size_t>(O) * sizeof(T));
  }
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
