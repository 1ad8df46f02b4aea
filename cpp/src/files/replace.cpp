#include "files/replace.hpp"

#include <optional>
#include <random>
#include <string>
#include <system_error>

namespace peephole::files {
namespace {

namespace fs = std::filesystem;

/// Where `path` leads to through links, also where that does not exist yet.
fs::path resolve_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux allows
  for (int i = 0; fs::is_symlink(fs::symlink_status(path)); ++i) {
    if (i == kMostLinks) {
      throw fs::filesystem_error("cannot write", path,
                                 std::make_error_code(std::errc::too_many_symbolic_link_levels));
    }
    path = path.parent_path() / fs::read_symlink(path);
  }
  return path;
}

/// Its length does not depend on the name of the file that it will replace.
std::string temporary_name() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string name = ".peephole-";
  for (int i = 0; i < 16; ++i) name += kDigits[random() % 16];
  return name + ".tmp";
}

/// A file that is removed unless it has taken the place of another.
class Temporary {
 public:
  Temporary(const fs::path& folder, const fs::path& target) {
    constexpr int kMostAttempts = 100;
    for (int i = 0; i < kMostAttempts && !file_; ++i) {
      path_ = folder / temporary_name();
      file_ = SystemFile::create(path_, target);
    }
    if (!file_) {
      throw fs::filesystem_error("cannot write", target,
                                 std::make_error_code(std::errc::file_exists));
    }
  }
  ~Temporary() {
    if (path_.empty()) return;
    file_.reset();  // Windows does not remove a file that is open
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  SystemFile& file() noexcept { return *file_; }

  void take_place_of(const fs::path& target) {
    file_->finish();
    std::error_code error;
    fs::rename(path_, target, error);
    if (error) throw fs::filesystem_error("cannot write", target, error);
    path_.clear();
  }

 private:
  fs::path path_;
  std::optional<SystemFile> file_;
};

/// A file that is to be replaced, and the folder where its links lead to.
struct Place {
  explicit Place(const fs::path& path)
      : target(resolve_links(path)),
        folder(target.has_parent_path() ? target.parent_path() : fs::path(".")) {
    if (fs::is_directory(folder)) return;
    throw fs::filesystem_error("no such folder", folder,
                               std::make_error_code(std::errc::no_such_file_or_directory));
  }

  const fs::path target, folder;
};

}  // namespace

void replace_file(const fs::path& path, const std::function<void(Sink&)>& write) {
  const Place place(path);
  Temporary temporary(place.folder, place.target);
  FileSink sink(temporary.file());
  write(sink);
  temporary.take_place_of(place.target);
  flush_folder(place.folder);  // the new name
}

void check_replaceable(const fs::path& path) {
  const Place place(path);
  const Temporary temporary(place.folder, place.target);
  check_name_is_free(place.folder, place.target);
}

}  // namespace peephole::files
