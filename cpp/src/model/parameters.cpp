#include "peephole/parameters.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/buffer.hpp"
#include "base/dual.hpp"
#include "base/errors.hpp"
#include "base/fork_gate.hpp"
#include "model/number_type.hpp"
#include "model/parameters_access.hpp"
#include "model/rounding.hpp"

namespace peephole {
namespace {

std::uint64_t next_identity() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

template <class T>
std::size_t bytes_of(NumberType type) noexcept {
  return with_number<T>(type, [](auto zero) { return sizeof zero; });
}

/// Sets values to 0 where the mask does not connect them. Writing only what is not yet 0 leaves
/// memory that other threads are reading untouched.
template <class Number>
void cut(const bool* mask, Number* values, Index size) noexcept {
  for (Index j = 0; j < size; ++j) {
    if (!mask[j] && !(values[j] == Number{0})) values[j] = Number{0};
  }
}

}  // namespace

template <class T>
struct Parameters<T>::Impl {
  /// A tensor that a writer may change, or may have changed since the last refresh.
  struct Watched {
    Index tensor;
    Index writers;     // that live
    Buffer<T> before;  // its values as of the current revision
  };

  std::vector<ParameterSpec> specs;
  std::vector<Index> offsets;  // one more than specs: the last is the flat size
  Buffer<T> values;
  std::vector<std::unique_ptr<bool[]>> masks;  // per parameter, null where nothing is masked

  const std::uint64_t identity = next_identity();
  std::atomic<std::uint64_t> revision{1};
  Mutex mutex;  // of what follows, of the masks, and of writing, but through a writer's pointer
  std::vector<Watched> watched;
  std::atomic<bool> watches{false};

  T* data(Index i) const noexcept { return values.data() + offsets[at(i)]; }
  Index size(Index i) const noexcept { return specs[at(i)].size(); }
  std::size_t value_bytes(Index i) const noexcept { return bytes_of<T>(specs[at(i)].type); }
  std::size_t bytes(Index i) const noexcept { return at(size(i)) * value_bytes(i); }

  /// With the mutex locked.
  void apply_mask(Index i) noexcept {
    const bool* const mask = masks[at(i)].get();
    if (mask == nullptr) return;
    with_number<T>(specs[at(i)].type, [&](auto zero) {
      cut(mask, reinterpret_cast<decltype(zero)*>(data(i)), size(i));
    });
  }

  /// Throws std::invalid_argument for integers whose sums could overflow.
  void check_integers(Index i, const T* integers) const {
    const ParameterSpec& spec = specs[at(i)];
    with_number<T>(spec.type, [&](auto zero) {
      using Number = decltype(zero);
      if constexpr (std::is_integral_v<Number>) {
        const auto* row = reinterpret_cast<const Number*>(integers);
        for (Index r = 0; r < spec.rows; ++r, row += spec.columns) {
          if (sums_fit(row, spec.columns)) continue;
          refuse(spec.name, "integers whose sums of products cannot overflow",
                 "larger ones in row " + std::to_string(r));
        }
      }
    });
  }

  auto find(Index i) noexcept {
    return std::find_if(watched.begin(), watched.end(),
                        [i](const Watched& entry) { return entry.tensor == i; });
  }

  void open(Index i) {
    const Locked lock(mutex);
    auto entry = find(i);
    if (entry == watched.end()) {
      Watched made{i, 0, {}};
      std::memcpy(made.before.reserve(size(i)), data(i), bytes(i));  // at least as many values
      watched.push_back(std::move(made));
      entry = watched.end() - 1;
      watches = true;
    }
    ++entry->writers;
  }

  void close(Index i) noexcept {
    const Locked lock(mutex);
    --find(i)->writers;  // it is watched until the next refresh
  }

  std::uint64_t refresh() {
    if (!watches) return revision;
    const Locked lock(mutex);
    bool changed = false;
    for (Watched& entry : watched) {
      apply_mask(entry.tensor);
      const T* const now = data(entry.tensor);
      if (std::memcmp(entry.before.data(), now, bytes(entry.tensor)) == 0) continue;
      changed = true;
      if (entry.writers > 0) std::memcpy(entry.before.data(), now, bytes(entry.tensor));
    }
    if (changed) ++revision;
    watched.erase(std::remove_if(watched.begin(), watched.end(),
                                 [](const Watched& entry) { return entry.writers == 0; }),
                  watched.end());
    watches = !watched.empty();
    return revision;
  }
};

template <class T>
Parameters<T>::Parameters(std::vector<ParameterSpec> specs) : impl_(std::make_shared<Impl>()) {
  impl_->specs = std::move(specs);
  impl_->offsets.push_back(0);
  for (const ParameterSpec& spec : impl_->specs) {
    const std::size_t bytes = at(spec.size()) * bytes_of<T>(spec.type);
    const auto lines = static_cast<Index>((bytes + kCacheLine - 1) / kCacheLine);
    impl_->offsets.push_back(impl_->offsets.back() + lines * kLineValues<T>);
  }
  impl_->masks.resize(impl_->specs.size());
  std::fill_n(impl_->values.reserve(flat_size()), flat_size(), T{0});
}

template <class T>
Parameters<T>::~Parameters() = default;

template <class T>
const std::vector<ParameterSpec>& Parameters<T>::specs() const noexcept {
  return impl_->specs;
}

template <class T>
Index Parameters<T>::find(const std::string& name) const noexcept {
  const auto& specs = impl_->specs;
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const ParameterSpec& spec) { return spec.name == name; });
  return found == specs.end() ? -1 : found - specs.begin();
}

template <class T>
Index Parameters<T>::flat_size() const noexcept {
  return impl_->offsets.back();
}

template <class T>
Index Parameters<T>::offset(Index i) const noexcept {
  return impl_->offsets[at(i)];
}

template <class T>
const T* Parameters<T>::data(Index i) const noexcept {
  return impl_->data(i);
}

template <class T>
std::size_t Parameters<T>::value_bytes(Index i) const noexcept {
  return impl_->value_bytes(i);
}

template <class T>
void Parameters<T>::assign(Index i, const T* values) {
  impl_->check_integers(i, values);
  const Locked lock(impl_->mutex);
  // What is packed of the same values stays as it is.
  if (std::memcmp(impl_->data(i), values, impl_->bytes(i)) == 0) return;
  // memmove: `values` may be a view of this very parameter.
  std::memmove(impl_->data(i), values, impl_->bytes(i));
  impl_->apply_mask(i);
  ++impl_->revision;
}

template <class T>
ParameterWriter<T> Parameters<T>::write() {
  return ParameterWriter<T>(impl_);
}

template <class T>
void Parameters<T>::mask(Index i, const bool* connected) {
  const std::size_t size = at(impl_->size(i));
  const Locked lock(impl_->mutex);
  std::unique_ptr<bool[]>& mask = impl_->masks[at(i)];
  if (mask) {
    for (std::size_t j = 0; j < size; ++j) mask[j] = mask[j] && connected[j];
  } else {
    auto made = std::make_unique<bool[]>(size);
    std::copy_n(connected, size, made.get());
    mask = std::move(made);
  }
  impl_->apply_mask(i);
  ++impl_->revision;
}

template <class T>
bool Parameters<T>::masked(Index i) const noexcept {
  return mask(i) != nullptr;
}

template <class T>
const bool* Parameters<T>::mask(Index i) const noexcept {
  return impl_->masks[at(i)].get();
}

template <class T>
ParameterWriter<T>::ParameterWriter(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

template <class T>
ParameterWriter<T>::ParameterWriter(ParameterWriter&&) noexcept = default;

template <class T>
ParameterWriter<T>::~ParameterWriter() {
  for (Index i : open_) impl_->close(i);
}

template <class T>
T* ParameterWriter<T>::data(Index i) {
  if (std::find(open_.begin(), open_.end(), i) == open_.end()) {
    open_.reserve(open_.size() + 1);  // so that what is opened is noted
    impl_->open(i);
    open_.push_back(i);
  }
  return impl_->data(i);
}

template <class T>
const T* ParametersAccess<T>::flat(const Parameters<T>& parameters) noexcept {
  return parameters.impl_->values.data();
}

template <class T>
T* ParametersAccess<T>::mutable_flat(Parameters<T>& parameters) noexcept {
  return parameters.impl_->values.data();
}

template <class T>
void ParametersAccess<T>::announce(Parameters<T>& parameters) noexcept {
  const auto count = static_cast<Index>(parameters.specs().size());
  const Locked lock(parameters.impl_->mutex);
  for (Index i = 0; i < count; ++i) parameters.impl_->apply_mask(i);
  ++parameters.impl_->revision;
}

template <class T>
std::uint64_t ParametersAccess<T>::refresh(const Parameters<T>& parameters) {
  return parameters.impl_->refresh();
}

template <class T>
std::uint64_t ParametersAccess<T>::revision(const Parameters<T>& parameters) noexcept {
  return parameters.impl_->revision;
}

template <class T>
std::uint64_t ParametersAccess<T>::identity(const Parameters<T>& parameters) noexcept {
  return parameters.impl_->identity;
}

template <class T>
void ParametersAccess<T>::mask_gradients(const Parameters<T>& parameters, T* gradients) noexcept {
  const auto count = static_cast<Index>(parameters.specs().size());
  for (Index i = 0; i < count; ++i) {
    const bool* const mask = parameters.mask(i);
    const Index size = parameters.impl_->size(i);
    T* const tensor = gradients + parameters.offset(i);
    std::fill(tensor + size, gradients + parameters.offset(i + 1), T{0});  // the gap behind it
    if (mask == nullptr) continue;
    for (Index j = 0; j < size; ++j) {
      if (!mask[j]) tensor[j] = T{0};
    }
  }
}

template class Parameters<float>;
template class Parameters<double>;
template class Parameters<Dual>;
template class ParameterWriter<float>;
template class ParameterWriter<double>;
template struct ParametersAccess<float>;
template struct ParametersAccess<double>;
template struct ParametersAccess<Dual>;

}  // namespace peephole
