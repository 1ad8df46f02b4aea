#define _FILE_OFFSET_BITS 64  // files of more than 2 GB where long has 32 bits

#include "files/system_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#ifdef _WIN32
#define NOMINMAX 1
#define WIN32_LEAN_AND_MEAN
#include <io.h>
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace peephole::files {
namespace {

namespace fs = std::filesystem;

/// Of bytes for one call: below what any system takes at once.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

[[noreturn]] void fail(const char* what, const fs::path& path, int number) {
  throw fs::filesystem_error(what, path, std::error_code(number, std::generic_category()));
}

[[noreturn]] void refuse_irregular(const fs::path& path, bool directory) {
  fail("not a regular file", path, directory ? EISDIR : ENOTSUP);
}

#ifdef _WIN32

int open_to_read(const fs::path& path) {
  const fs::file_status status = fs::status(path);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    refuse_irregular(path, fs::is_directory(status));
  }
  return ::_wopen(path.c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
}

/// Refuses what could not take the place of `target` later, though `path` can be created.
int create_to_write(const fs::path& path, const fs::path& target) {
  constexpr std::size_t kLongestName = 255;  // on any file system of Windows
  if (target.filename().native().size() > kLongestName) fail("cannot write", target, ENAMETOOLONG);
  const fs::file_status status = fs::status(target);
  if (fs::exists(status)) {
    if (!fs::is_regular_file(status)) refuse_irregular(target, fs::is_directory(status));
    // A file that is only to be read.
    if ((status.permissions() & fs::perms::owner_write) == fs::perms::none) {
      fail("cannot write", target, EACCES);
    }
  }
  return ::_wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT,
                  _S_IREAD | _S_IWRITE);
}

std::int64_t size_of(int descriptor) { return ::_filelengthi64(descriptor); }

/// At a place of its own, so that several threads may read a file.
std::int64_t read_some(int descriptor, std::uint64_t at, void* target, std::size_t count) {
  OVERLAPPED place{};
  place.Offset = static_cast<DWORD>(at);
  place.OffsetHigh = static_cast<DWORD>(at >> 32);
  DWORD got = 0;
  const auto file = reinterpret_cast<HANDLE>(::_get_osfhandle(descriptor));
  if (::ReadFile(file, target, static_cast<DWORD>(count), &got, &place)) return got;
  if (::GetLastError() == ERROR_HANDLE_EOF) return 0;
  errno = EIO;
  return -1;
}

std::int64_t write_some(int descriptor, const void* data, std::size_t count) {
  return ::_write(descriptor, data, static_cast<unsigned>(count));
}

bool flush(int descriptor) { return ::_commit(descriptor) == 0; }
int close_descriptor(int descriptor) { return ::_close(descriptor); }

#else

int open_to_read(const fs::path& path) {
  // Opening a pipe for reading would wait for its writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat status{};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0 || S_ISREG(status.st_mode)) {
    return descriptor;
  }
  ::close(descriptor);
  refuse_irregular(path, S_ISDIR(status.st_mode));
}

/// Gives a new file the owner, group and mode of the one it replaces. Where the group cannot be
/// given, the new one gets no more than what all others may do.
bool take_over(int descriptor, const struct stat& old) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return false;
  if (status.st_uid != old.st_uid || status.st_gid != old.st_gid) {
    if (::fchown(descriptor, old.st_uid, old.st_gid) != 0 &&
        ::fchown(descriptor, static_cast<uid_t>(-1), old.st_gid) != 0) {
      const mode_t others = old.st_mode & 07;
      return ::fchmod(descriptor, (old.st_mode & 0707) | (old.st_mode & others << 3)) == 0;
    }
  }
  return ::fchmod(descriptor, old.st_mode & 0777) == 0;
}

int create_to_write(const fs::path& path, const fs::path& target) {
  struct stat old{};
  const bool replaces = ::stat(target.c_str(), &old) == 0;
  if (!replaces && errno != ENOENT) return -1;
  if (replaces && !S_ISREG(old.st_mode)) refuse_irregular(target, S_ISDIR(old.st_mode));
  // Nobody may open it in the meantime who may not open the old one.
  const mode_t mode = replaces ? 0600 : 0666;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0 || !replaces || take_over(descriptor, old)) return descriptor;
  const int number = errno;
  ::close(descriptor);
  ::unlink(path.c_str());
  fail("cannot write", target, number);
}

std::int64_t size_of(int descriptor) {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 ? static_cast<std::int64_t>(status.st_size) : -1;
}

std::int64_t read_some(int descriptor, std::uint64_t at, void* target, std::size_t count) {
  return ::pread(descriptor, target, count, static_cast<off_t>(at));
}

std::int64_t write_some(int descriptor, const void* data, std::size_t count) {
  return ::write(descriptor, data, count);
}

/// Some file systems have nothing to flush, for a folder above all, and say so.
bool flush(int descriptor) {
  return ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;
}
int close_descriptor(int descriptor) { return ::close(descriptor); }

#endif

}  // namespace

SystemFile::SystemFile(int descriptor, fs::path path) noexcept
    : descriptor_(descriptor), path_(std::move(path)) {}

SystemFile::SystemFile(SystemFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

SystemFile& SystemFile::operator=(SystemFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

SystemFile::~SystemFile() {
  if (descriptor_ >= 0) close_descriptor(descriptor_);
}

SystemFile SystemFile::open(const fs::path& path) {
  const int descriptor = open_to_read(path);
  if (descriptor < 0) fail("cannot read", path, errno);
  return {descriptor, path};
}

std::optional<SystemFile> SystemFile::create(const fs::path& path, const fs::path& target) {
  const int descriptor = create_to_write(path, target);
  if (descriptor >= 0) return SystemFile(descriptor, target);
  if (errno != EEXIST) fail("cannot write", target, errno);
  return std::nullopt;
}

std::uint64_t SystemFile::size() const {
  const std::int64_t size = size_of(descriptor_);
  if (size < 0) fail("cannot read", path_, errno);
  return static_cast<std::uint64_t>(size);
}

void SystemFile::read(std::uint64_t at, void* target, std::size_t count) {
  auto* bytes = static_cast<char*>(target);
  while (count > 0) {
    const std::int64_t got = read_some(descriptor_, at, bytes, std::min(count, kMostAtOnce));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("cannot read", path_, got < 0 ? errno : EIO);  // 0: it has become shorter
    bytes += got;
    at += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

void SystemFile::write(const void* data, std::size_t count) {
  const auto* bytes = static_cast<const char*>(data);
  while (count > 0) {
    const std::int64_t done = write_some(descriptor_, bytes, std::min(count, kMostAtOnce));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("cannot write", path_, done < 0 ? errno : ENOSPC);
    bytes += done;
    count -= static_cast<std::size_t>(done);
  }
}

void SystemFile::finish() {
  if (!flush(descriptor_)) fail("cannot write", path_, errno);
  if (close_descriptor(std::exchange(descriptor_, -1)) != 0) fail("cannot write", path_, errno);
}

void check_name_is_free(const fs::path& folder, const fs::path& target) {
#ifdef _WIN32
  (void)folder;
  // Opened to be deleted, as it is by the call that replaces it: not while a program has it open.
  constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const HANDLE file =
      ::CreateFileW(target.c_str(), DELETE, kShared, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file != INVALID_HANDLE_VALUE) {
    ::CloseHandle(file);
  } else if (::GetLastError() != ERROR_FILE_NOT_FOUND) {
    fail("cannot write", target, EACCES);
  }
#else
  struct stat old{}, place{};
  if (::stat(target.c_str(), &old) != 0 || ::stat(folder.c_str(), &place) != 0) return;
  const uid_t user = ::geteuid();
  const bool own = user == 0 || user == old.st_uid || user == place.st_uid;
  if ((place.st_mode & S_ISVTX) != 0 && !own) fail("cannot write", target, EPERM);
#ifdef STATX_ATTR_MOUNT_ROOT
  struct statx more{};
  if (::statx(AT_FDCWD, target.c_str(), 0, 0, &more) != 0) return;
  // Such as a single file of the host in a container.
  if ((more.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) fail("cannot write", target, EBUSY);
  constexpr auto kFixed = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
  if ((more.stx_attributes & kFixed) != 0) fail("cannot write", target, EPERM);
#endif
#endif
}

void flush_folder(const fs::path& folder) {
#ifdef _WIN32
  (void)folder;
#else
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may be written to but not read
  const bool flushed = flush(descriptor);
  const int number = errno;
  ::close(descriptor);
  if (!flushed) fail("cannot write", folder, number);
#endif
}

}  // namespace peephole::files
