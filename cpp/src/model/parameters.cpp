#include "peephole/parameters.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/buffer.hpp"
#include "base/fork_gate.hpp"

namespace peephole {
namespace {

std::uint64_t next_identity() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

template <class T>
struct Parameters<T>::Impl {
  std::vector<ParameterSpec> specs;
  std::vector<Index> offsets;  // one more than specs: the last is the flat size
  std::shared_ptr<Buffer<T>> values;
  std::vector<std::unique_ptr<bool[]>> masks;  // per parameter, null where nothing is masked
  bool any_mask = false;

  const std::uint64_t identity = next_identity();
  std::atomic<std::uint64_t> revision{kNeverSettled + 1};
  std::atomic<std::uint64_t> writes{0};
  std::weak_ptr<void> lease;
  mutable std::mutex lease_mutex;
  mutable std::mutex settle_mutex;

  template <class F>
  void for_each_masked(F&& f) const {
    for (std::size_t i = 0; i < masks.size(); ++i) {
      if (!masks[i]) continue;
      for (Index j = 0; j < specs[i].size(); ++j) {
        if (!masks[i][static_cast<std::size_t>(j)]) f(offsets[i] + j);
      }
    }
  }
};

template <class T>
Parameters<T>::Parameters(std::vector<ParameterSpec> specs) : impl_(std::make_unique<Impl>()) {
  impl_->specs = std::move(specs);
  impl_->offsets.push_back(0);
  for (const ParameterSpec& spec : impl_->specs) {
    impl_->offsets.push_back(impl_->offsets.back() + round_up(spec.size(), kLineValues<T>));
  }
  impl_->masks.resize(impl_->specs.size());
  impl_->values = std::make_shared<Buffer<T>>();
  std::fill_n(impl_->values->reserve(flat_size()), flat_size(), T{0});
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
const T* Parameters<T>::flat() const noexcept {
  return impl_->values->data();
}

template <class T>
T* Parameters<T>::mutable_flat() noexcept {
  return impl_->values->data();
}

template <class T>
Index Parameters<T>::flat_size() const noexcept {
  return impl_->offsets.back();
}

template <class T>
Index Parameters<T>::offset(Index i) const noexcept {
  return impl_->offsets[static_cast<std::size_t>(i)];
}

template <class T>
void Parameters<T>::assign(Index i, const T* values) {
  const bool* connected = mask(i);
  T* target = mutable_flat() + offset(i);
  const Index size = impl_->specs[static_cast<std::size_t>(i)].size();
  for (Index j = 0; j < size; ++j) target[j] = connected && !connected[j] ? T{0} : values[j];
  touch();
}

template <class T>
std::shared_ptr<void> Parameters<T>::lease() {
  const Locked lock(impl_->lease_mutex);
  std::shared_ptr<void> lease = impl_->lease.lock();
  if (!lease) {
    // Owns a reference to the values, and nothing else of the Parameters, which may die before it.
    lease = std::make_shared<std::shared_ptr<Buffer<T>>>(impl_->values);
    impl_->lease = lease;
  }
  ++impl_->revision;
  return lease;
}

template <class T>
void Parameters<T>::touch() noexcept {
  ++impl_->revision;
  ++impl_->writes;
}

template <class T>
std::uint64_t Parameters<T>::revision() const noexcept {
  const Locked lock(impl_->lease_mutex);
  return impl_->lease.expired() ? impl_->revision.load() : kNeverSettled;
}

template <class T>
std::uint64_t Parameters<T>::writes() const noexcept {
  return impl_->writes;
}

template <class T>
std::uint64_t Parameters<T>::identity() const noexcept {
  return impl_->identity;
}

template <class T>
void Parameters<T>::mask(Index i, const bool* connected) {
  const auto at = static_cast<std::size_t>(i);
  const auto size = static_cast<std::size_t>(impl_->specs[at].size());
  std::unique_ptr<bool[]>& mask = impl_->masks[at];
  if (!mask) {
    mask = std::make_unique<bool[]>(size);
    std::fill_n(mask.get(), size, true);
  }
  for (std::size_t j = 0; j < size; ++j) mask[j] = mask[j] && connected[j];
  impl_->any_mask = true;
  settle();
  touch();
}

template <class T>
bool Parameters<T>::masked(Index i) const noexcept {
  return impl_->masks[static_cast<std::size_t>(i)] != nullptr;
}

template <class T>
const bool* Parameters<T>::mask(Index i) const noexcept {
  return impl_->masks[static_cast<std::size_t>(i)].get();
}

template <class T>
void Parameters<T>::settle() const noexcept {
  if (!impl_->any_mask) return;
  const Locked lock(impl_->settle_mutex);
  T* values = impl_->values->data();
  // Writing only what is not yet 0 leaves memory that other threads are reading untouched.
  impl_->for_each_masked([&](Index j) {
    if (!(values[j] == T{0})) values[j] = T{0};
  });
}

template <class T>
void Parameters<T>::mask_gradients(T* gradients) const noexcept {
  impl_->for_each_masked([&](Index j) { gradients[j] = T{0}; });
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace peephole
