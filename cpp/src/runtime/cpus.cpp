#include "runtime/cpus.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace peephole {
namespace {

/// A mounted hierarchy of control groups that counts CPU time.
struct Hierarchy {
  bool version2;
  std::string root;   // the group that the mount point shows
  std::string mount;  // where
};

bool lists(const std::string& comma_separated, const std::string& name) {
  std::istringstream words(comma_separated);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == name) return true;
  }
  return false;
}

/// The lines of mountinfo: id parent device root mount options [tags] - type source options
std::vector<Hierarchy> hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, word, type, source, options;
    Hierarchy mounted;
    words >> id >> parent >> device >> mounted.root >> mounted.mount;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    mounted.version2 = type == "cgroup2";
    if (mounted.version2 || (type == "cgroup" && lists(options, "cpu"))) found.push_back(mounted);
  }
  return found;
}

/// The path of the process's group in a hierarchy. Lines of cgroup: id:controllers:path
std::string group_of_process(const std::string& root, bool version2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return "/";
}

/// What a group itself is allowed; 0: not limited.
double limit_of_group(const std::string& folder, bool version2) {
  std::string quota = "max";
  double period = 0;
  if (version2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  double microseconds = 0;
  std::istringstream(quota) >> microseconds;  // 0 for "max", negative for none
  return microseconds > 0 && period > 0 ? microseconds / period : 0;
}

#ifdef __linux__
int affinity_cpus() {
  // The mask of a machine with many CPUs is longer than cpu_set_t.
  for (int size = CPU_SETSIZE; size <= (1 << 20); size *= 2) {
    cpu_set_t* const mask = CPU_ALLOC(static_cast<std::size_t>(size));
    if (mask == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    const bool known = sched_getaffinity(0, bytes, mask) == 0;
    const int count = known ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return count;
  }
  return 0;
}
#else
int affinity_cpus() { return 0; }
#endif

}  // namespace

double cgroup_cpus(const std::string& root) {
  double least = 0;
  for (const Hierarchy& mounted : hierarchies(root)) {
    std::string group = group_of_process(root, mounted.version2);
    // In a container the mount point may show its own group alone.
    if (mounted.root != "/" && group.compare(0, mounted.root.size(), mounted.root) == 0) {
      group.erase(0, mounted.root.size());
    }
    if (group.find("..") != std::string::npos) group.clear();  // outside of what is mounted
    for (;;) {
      const double limit = limit_of_group(root + mounted.mount + group, mounted.version2);
      if (limit > 0 && (least == 0 || limit < least)) least = limit;
      const std::size_t slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.erase(slash);
    }
  }
  return least;
}

int available_cpus() noexcept {
  int cpus = affinity_cpus();
  if (cpus == 0) cpus = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  try {
    const double allowed = cgroup_cpus("");
    if (allowed > 0 && allowed < cpus) cpus = static_cast<int>(allowed);
  } catch (const std::exception&) {
    // Without memory to read the files: not limited.
  }
#endif
  return std::max(1, cpus);
}

}  // namespace peephole
