#pragma once

#include <string>

namespace peephole {

/// The CPUs that the process may use, at least 1: those of its affinity mask, and no more than the
/// CPU time that its control group and the groups above it are allowed (as in a container), rounded
/// down.
int available_cpus() noexcept;

/// The allowed CPU time of the process's control groups, in CPUs; 0: not limited. Reads
/// <root>/proc/self/cgroup, <root>/proc/self/mountinfo and, below the mount points found there,
/// cpu.max (version 2) or cpu.cfs_quota_us and cpu.cfs_period_us (version 1).
double cgroup_cpus(const std::string& root);

}  // namespace peephole
