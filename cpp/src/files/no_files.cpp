// In place of system_file.cpp and replace.cpp in a build without files (PEEPHOLE_FILES=OFF).
#include <stdexcept>
#include <utility>

#include "files/replace.hpp"
#include "files/system_file.hpp"

namespace peephole::files {
namespace {

[[noreturn]] void refuse_files() {
  throw std::runtime_error("this build of peephole reads and writes no files: load from memory");
}

}  // namespace

SystemFile::SystemFile(int descriptor, std::filesystem::path path) noexcept
    : descriptor_(descriptor), path_(std::move(path)) {}
SystemFile::SystemFile(SystemFile&&) noexcept = default;
SystemFile& SystemFile::operator=(SystemFile&&) noexcept = default;
SystemFile::~SystemFile() = default;

SystemFile SystemFile::open(const std::filesystem::path&) { refuse_files(); }
std::uint64_t SystemFile::size() const { refuse_files(); }
void SystemFile::read(std::uint64_t, void*, std::size_t) { refuse_files(); }
void SystemFile::write(const void*, std::size_t) { refuse_files(); }

void replace_file(const std::filesystem::path&, const std::function<void(Sink&)>&) {
  refuse_files();
}
void check_replaceable(const std::filesystem::path&) { refuse_files(); }

}  // namespace peephole::files
