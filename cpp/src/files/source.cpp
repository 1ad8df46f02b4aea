#include "files/source.hpp"

#include <cerrno>
#include <system_error>

namespace peephole::files {

void throw_system_error(const char* what, const std::filesystem::path& path) {
  // The streams say only that something failed; the system's number is left from underneath.
  const int number = errno != 0 ? errno : EIO;
  throw std::filesystem::filesystem_error(what, path,
                                          std::error_code(number, std::generic_category()));
}

// Anything but a regular file has no size, so nothing here waits for a pipe.
FileSource::FileSource(const std::filesystem::path& path)
    : path_(path), size_(std::filesystem::file_size(path)) {
  errno = 0;
  stream_.open(path, std::ios::binary);
  if (!stream_) throw_system_error("cannot read", path_);
}

void FileSource::read(std::uint64_t at, void* target, std::size_t count) {
  errno = 0;
  stream_.seekg(static_cast<std::streamoff>(at));
  stream_.read(static_cast<char*>(target), static_cast<std::streamsize>(count));
  if (!stream_) throw_system_error("cannot read", path_);
}

}  // namespace peephole::files
