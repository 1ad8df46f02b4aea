#include "files/replace.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "peephole/peephole.hpp"
#include "peephole/tensors.hpp"
#include "support/check.hpp"
#include "support/folder.hpp"

#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace peephole;
using namespace peephole::test;
namespace fs = std::filesystem;

namespace {

constexpr auto kMode = fs::perms::mask;

template <class Exception, class F>
void check_throws(F&& f, const std::string& fragment) {
  const std::string complaint = check::complaint<Exception>(f, fragment);
  check::note(complaint.empty(), __FILE__, __LINE__, complaint);
}

void replace_with(const fs::path& path, const std::string& bytes) {
  files::replace_file(path, [&](files::Sink& sink) { sink.write(bytes.data(), bytes.size()); });
}

LSTM<float> lstm(Index units) {
  LSTMConfig config;
  config.hidden_sizes = {units};
  return LSTM<float>(config, /*seed=*/0);
}

void test_content() {
  const Folder folder;
  const fs::path path = folder / "file";
  for (const std::string& bytes : {std::string("one"), std::string(), std::string(100'000, 'x')}) {
    replace_with(path, bytes);
    CHECK(read(path) == bytes);
    CHECK(folder.entries() == 1);
  }
  save(lstm(30), path);
  const LSTM<float> small = lstm(2);
  save(small, path);
  CHECK(read(path) == serialise(small));
  CHECK(folder.entries() == 1);
}

/// Whatever is thrown while the content is written: the old file stays, and no other.
void test_a_failure_leaves_the_old_file() {
  const Folder folder;
  const fs::path path = folder / "file";
  const auto fails = [](files::Sink& sink) {
    sink.write("new", 3);
    throw std::invalid_argument("halfway");
  };
  CHECK_THROWS(files::replace_file(path, fails), "halfway");
  CHECK(folder.entries() == 0);
  write(path, "old");
  CHECK_THROWS(files::replace_file(path, fails), "halfway");
  CHECK(read(path) == "old" && folder.entries() == 1);
}

void test_long_names() {
  const Folder folder;
  std::size_t longest = 255;
#ifdef _WIN32
  constexpr std::size_t kLongestPath = 259;  // of programs that do not ask for more
  longest = std::min(longest, kLongestPath - (folder / "").native().size());
#endif
  const fs::path path = folder / std::string(longest, 'a');
  replace_with(path, "one");
  replace_with(path, "two");
  CHECK(read(path) == "two" && folder.entries() == 1);
}

/// Windows refuses to replace a file that is open, and a check says so; elsewhere its reader keeps
/// the old content.
void test_an_open_file() {
  const Folder folder;
  const fs::path path = folder / "file";
  write(path, "old");
  std::ifstream reader(path, std::ios::binary);
#ifdef _WIN32
  check_throws<fs::filesystem_error>([&] { check_writable(path); }, "cannot write");
  check_throws<fs::filesystem_error>([&] { replace_with(path, "new"); }, "cannot write");
  const std::string now = "old";
#else
  replace_with(path, "new");
  const std::string now = "new";
#endif
  CHECK((std::string{std::istreambuf_iterator<char>(reader), {}} == "old"));
  reader.close();
  CHECK(read(path) == now && folder.entries() == 1);
}

/// check_writable says what writing would say, and leaves everything as it was.
void check_alike(const fs::path& path) {
  const auto complaint = [](const auto& f) {
    try {
      f();
    } catch (const fs::filesystem_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string before = complaint([&] { check_writable(path); });
  CHECK(before == complaint([&] { replace_with(path, "new"); }) && !before.empty());
}

void test_checks_leave_nothing() {
  const Folder folder;
  const fs::path path = folder / "file";
  check_writable(path);
  CHECK(folder.entries() == 0);
  write(path, "old");
  check_writable(path);
  CHECK(read(path) == "old" && folder.entries() == 1);
  check_alike(path / "below");
  check_alike(folder / std::string(256, 'a'));
  check_alike(folder / "none" / "file");
  CHECK(read(path) == "old" && folder.entries() == 1);
}

#ifdef _WIN32

void test_a_read_only_file() {
  const Folder folder;
  const fs::path path = folder / "file";
  write(path, "old");
  fs::permissions(path, fs::perms::owner_read);
  check_alike(path);
  CHECK(read(path) == "old" && folder.entries() == 1);
  fs::permissions(path, fs::perms::all);
  check_writable(path);
}

#else

/// Two writers and a reader on one path: the reader always finds one writer's whole content.
void test_writers_at_once() {
  const Folder folder;
  const fs::path path = folder / "file";
  const std::string contents[] = {std::string(5000, 'a'), std::string(70'000, 'b')};
  replace_with(path, contents[0]);
  std::atomic<int> running{2};
  std::thread writers[2];
  for (int i = 0; i < 2; ++i) {
    writers[i] = std::thread([&, i] {
      for (int k = 0; k < 50; ++k) replace_with(path, contents[i]);
      --running;
    });
  }
  int reads = 0, broken = 0;
  do {
    const std::string found = read(path);
    ++reads;
    broken += found != contents[0] && found != contents[1];
  } while (running > 0);
  for (std::thread& writer : writers) writer.join();
  CHECK(reads > 0 && broken == 0);
  CHECK(folder.entries() == 1);
}

/// The only file in the folder that is not `path`.
fs::path temporary_beside(const fs::path& path) {
  for (const fs::directory_entry& entry : fs::directory_iterator(path.parent_path())) {
    if (entry.path() != path) return entry.path();
  }
  return {};
}

void test_checks_of_what_cannot_be_replaced() {
  const Folder folder;
  fs::create_symlink("circle", folder / "circle");
  check_alike(folder / "circle");
  check_alike("/dev/null");
  check_alike("/proc/version");
  write(folder / "file", "old");
  const fs::perms fixed = fs::perms::owner_read | fs::perms::owner_exec;
  fs::permissions(folder / ".", fixed);
  if (::geteuid() != 0) check_alike(folder / "file");
  // Where anybody may create files, but only their owners may replace them.
  fs::permissions(folder / ".", fs::perms::all | fs::perms::sticky_bit);
  if (::geteuid() == 0 && ::seteuid(65534) == 0) {
    check_alike(folder / "file");
    check_writable(folder / "other");
    CHECK(::seteuid(0) == 0);
  }
  CHECK(read(folder / "file") == "old");
}

void test_modes() {
  const Folder folder;
  const fs::path path = folder / "file";
  const mode_t umask_before = ::umask(0027);
  replace_with(path, "new");
  CHECK((fs::status(path).permissions() & kMode) == fs::perms(0640));
  for (const auto mode : {fs::perms(0600), fs::perms(0604), fs::perms(0666), fs::perms(0400)}) {
    fs::permissions(path, mode);
    fs::perms meanwhile = fs::perms::none;
    files::replace_file(path, [&](files::Sink& sink) {
      sink.write("secret", 6);
      meanwhile = fs::status(temporary_beside(path)).permissions() & kMode;
    });
    CHECK(meanwhile == mode);  // from the first byte on
    CHECK((fs::status(path).permissions() & kMode) == mode);
  }
  ::umask(umask_before);
}

void test_links() {
  const Folder folder;
  fs::create_symlink("file", folder / "link");
  fs::create_symlink("link", folder / "far");
  replace_with(folder / "link", "one");  // where the link leads, though nothing is there yet
  CHECK(fs::is_regular_file(fs::symlink_status(folder / "file")));
  replace_with(folder / "far", "two");
  CHECK(fs::is_symlink(folder / "link") && fs::is_symlink(folder / "far"));
  CHECK(read(folder / "file") == "two" && folder.entries() == 3);
  fs::create_symlink("circle", folder / "circle");
  check_throws<fs::filesystem_error>([&] { replace_with(folder / "circle", ""); }, "circle");
  fs::create_symlink("/dev/null", folder / "null");
  check_throws<fs::filesystem_error>([&] { replace_with(folder / "null", ""); },
                                     "not a regular file");
}

void test_what_is_no_regular_file() {
  const Folder folder;
  const fs::path pipe = folder / "pipe";
  CHECK(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const fs::path& path : {pipe, fs::path("/dev/null"), fs::path("/dev/zero")}) {
    check_throws<fs::filesystem_error>([&] { replace_with(path, "x"); }, "not a regular file");
    check_throws<fs::filesystem_error>([&] { save(lstm(2), path); }, path.filename().string());
    check_throws<fs::filesystem_error>([&] { load(path); }, "not a regular file");
    check_throws<fs::filesystem_error>([&] { TensorFile file(path); }, path.filename().string());
  }
  CHECK(fs::is_fifo(pipe) && folder.entries() == 1);
}

#endif

void test_paths_that_cannot_be() {
  const Folder folder;
  const fs::path path = folder / "file";
  check_throws<fs::filesystem_error>([&] { load(path); }, "file");
  check_throws<fs::filesystem_error>([&] { load(fs::temp_directory_path()); }, "");
  check_throws<fs::filesystem_error>([&] { save(lstm(2), path / "below"); }, "no such folder");
  fs::create_directory(path);
  check_throws<fs::filesystem_error>([&] { save(lstm(2), path); }, "not a regular file");
  CHECK(fs::is_directory(path) && folder.entries() == 1);
}

}  // namespace

int main() {
  test_content();
  test_a_failure_leaves_the_old_file();
  test_long_names();
  test_an_open_file();
  test_checks_leave_nothing();
#ifdef _WIN32
  test_a_read_only_file();
#else
  test_writers_at_once();
  test_checks_of_what_cannot_be_replaced();
  test_modes();
  test_links();
  test_what_is_no_regular_file();
#endif
  test_paths_that_cannot_be();
  return check::report();
}
