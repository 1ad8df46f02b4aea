#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "files/system_file.hpp"
#include "peephole/files.hpp"

/// Where the bytes of a file come from, and where they go.
namespace peephole::files {

class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// Copies the `count` bytes from position `at`, which lie inside size(), to `target`.
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
  explicit FileSource(const std::filesystem::path& path)
      : file_(SystemFile::open(path)), size_(file_.size()) {}

  std::uint64_t size() const noexcept override { return size_; }
  void read(std::uint64_t at, void* target, std::size_t count) override {
    file_.read(at, target, count);
  }

 private:
  SystemFile file_;
  std::uint64_t size_;
};

/// Adds the path to the message of a FileError.
template <class F>
auto naming(const std::filesystem::path& path, F&& f) {
  try {
    return f();
  } catch (const FileError& error) {
    throw FileError(path.string() + ": " + error.what());
  }
}

class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const void* data, std::size_t count) = 0;
};

class StringSink : public Sink {
 public:
  explicit StringSink(std::string& target) noexcept : target_(target) {}
  void write(const void* data, std::size_t count) override {
    target_.append(static_cast<const char*>(data), count);
  }

 private:
  std::string& target_;
};

class FileSink : public Sink {
 public:
  explicit FileSink(SystemFile& file) noexcept : file_(file) {}
  void write(const void* data, std::size_t count) override { file_.write(data, count); }

 private:
  SystemFile& file_;
};

}  // namespace peephole::files
