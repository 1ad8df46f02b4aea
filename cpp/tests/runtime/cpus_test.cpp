// The CPUs that a process may use, by files like those of /proc and /sys.

#include "runtime/cpus.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/check.hpp"

using namespace peephole;
namespace fs = std::filesystem;

namespace {

/// A folder that stands for /.
class Root {
 public:
  Root() : path_(fs::temp_directory_path() / ("peephole_cpus_test_" + std::to_string(::rand()))) {
    fs::remove_all(path_);
  }
  ~Root() { fs::remove_all(path_); }

  void write(const std::string& file, const std::string& text) const {
    const fs::path path = path_ / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  double cpus() const { return cgroup_cpus(path_.string()); }

 private:
  const fs::path path_;
};

const std::string kVersion2 =
    "24 1 0:22 / /proc rw - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string kVersion1 =
    "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n";

void version_2() {
  Root root;
  CHECK(root.cpus() == 0);
  root.write("proc/self/mountinfo", kVersion2);
  root.write("proc/self/cgroup", "0::/a/b");
  CHECK(root.cpus() == 0);
  root.write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
  CHECK(root.cpus() == 0);
  root.write("sys/fs/cgroup/a/b/cpu.max", "400000 100000");
  CHECK(root.cpus() == 4);
  root.write("sys/fs/cgroup/a/cpu.max", "125000 50000");  // a group above allows less
  CHECK(root.cpus() == 2.5);
  root.write("proc/self/cgroup", "0::/../other");
  CHECK(root.cpus() == 0);
}

void version_1() {
  Root root;
  root.write("proc/self/mountinfo", kVersion1);
  root.write("proc/self/cgroup", "9:memory:/m\n4:cpuacct,cpu:/c\n0::/");
  root.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "-1");
  root.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000");
  CHECK(root.cpus() == 0);
  root.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "50000");
  CHECK(root.cpus() == 0.5);
}

/// In a container the paths of groups may be the host's, and the mount point the container's.
void container() {
  Root root;
  root.write("proc/self/mountinfo",
             "33 31 0:30 /docker/12 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu");
  root.write("proc/self/cgroup", "4:cpu:/docker/12");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  CHECK(root.cpus() == 3);
}

}  // namespace

int main() {
  version_2();
  version_1();
  container();
  CHECK(available_cpus() >= 1);
  return check::report();
}
