#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

/// Regular files through the system's own calls, which the standard library's streams do not offer:
/// creation of a new file only, its mode from the first moment on, and writing through to the disk.
///
/// Errors are std::filesystem::filesystem_error with the system's error code and the path.
namespace peephole::files {

class SystemFile {
 public:
  /// Opens a file to read. Anything but a regular file is refused, without waiting for a pipe.
  static SystemFile open(const std::filesystem::path& path);

  /// Creates a file to write, which is to replace `target`: with the mode of `target`, or by the
  /// process's umask if there is no `target`. Nothing if `path` exists. Errors name `target`, which
  /// must be a regular file if it exists.
  static std::optional<SystemFile> create(const std::filesystem::path& path,
                                          const std::filesystem::path& target);

  SystemFile(SystemFile&& other) noexcept;
  SystemFile& operator=(SystemFile&& other) noexcept;
  ~SystemFile();

  std::uint64_t size() const;
  /// Reads exactly `count` bytes from position `at`.
  void read(std::uint64_t at, void* target, std::size_t count);
  void write(const void* data, std::size_t count);
  /// Returns once what was written is on the disk, and closes the file.
  void finish();

 private:
  SystemFile(int descriptor, std::filesystem::path path) noexcept;

  int descriptor_;
  std::filesystem::path path_;  // for errors
};

/// Throws if the system would not give the name of `target` in `folder` to another file, although
/// files can be created there. Checks what the system lets programs know.
void check_name_is_free(const std::filesystem::path& folder, const std::filesystem::path& target);

/// Returns once the names in `folder` are on the disk, on systems that have a call for it.
void flush_folder(const std::filesystem::path& folder);

}  // namespace peephole::files
