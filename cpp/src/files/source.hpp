#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

/// Where the bytes of a model file come from.
namespace peephole::files {

class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// Copies `count` bytes from position `at`, which lie inside size(), to `target`.
  virtual void read(std::uint64_t at, void* target, std::size_t count) = 0;
};

class MemorySource : public Source {
 public:
  MemorySource(const void* data, std::size_t size) noexcept
      : data_(static_cast<const char*>(data)), size_(size) {}

  std::uint64_t size() const noexcept override { return size_; }
  void read(std::uint64_t at, void* target, std::size_t count) override {
    if (count > 0) std::memcpy(target, data_ + at, count);
  }

 private:
  const char* data_;
  std::size_t size_;
};

/// Throws std::filesystem::filesystem_error where the system refuses.
class FileSource : public Source {
 public:
  explicit FileSource(const std::filesystem::path& path);

  std::uint64_t size() const noexcept override { return size_; }
  void read(std::uint64_t at, void* target, std::size_t count) override;

 private:
  std::filesystem::path path_;
  std::uint64_t size_;
  std::ifstream stream_;
};

/// What the system's last error was, for `path`.
[[noreturn]] void throw_system_error(const char* what, const std::filesystem::path& path);

}  // namespace peephole::files
