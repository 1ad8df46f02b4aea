// That a step neither allocates, nor locks, nor calls the system: a million steps of several
// models, while the C library's functions for it are watched, and again where Linux kills a process
// for its first system call.
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "peephole/initialise.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"

#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEEPHOLE_SANITIZED 1  // which have functions of their own in place of the C library's
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PEEPHOLE_SANITIZED 1
#endif
#endif

namespace {
std::atomic<bool> watching{false};
std::atomic<long> seen{0};

[[maybe_unused]] void note() {
  if (watching) ++seen;
}
}  // namespace

#if defined(__GLIBC__) && !defined(PEEPHOLE_SANITIZED)
#define PEEPHOLE_WATCHED 1
#include <dlfcn.h>
#include <pthread.h>

// In place of glibc's: operator new, too, comes by malloc or aligned_alloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* data, std::size_t size) {
  note();
  return __libc_realloc(data, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  note();
  return __libc_memalign(alignment, size);
}
void free(void* data) {
  note();
  __libc_free(data);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  note();
  using Lock = int (*)(pthread_mutex_t*);
  static const auto lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return lock(mutex);
}
}
#endif

using namespace peephole;
using namespace peephole::test;

namespace {

#if defined(PEEPHOLE_SANITIZED)
constexpr int kSteps = 10'000;
#else
constexpr int kSteps = 1'000'000;
#endif

NetworkConfig filter() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {20};
  return config;
}

NetworkConfig classifier() {
  NetworkConfig config;
  config.lstm.input_size = 3;
  config.lstm.hidden_sizes = {17, 9, 40};
  config.lstm.activations.resize(3);
  config.lstm.activations[1].g = Activation::softsign;
  config.output_size = 4;
  config.head = HeadActivation::softmax;
  return config;
}

/// Whose output gate waits for all of c_t.
NetworkConfig chainer() {
  NetworkConfig config = filter();
  config.lstm.peephole = Peephole::dense;
  config.lstm.output_peephole = OutputPeephole::current;
  return config;
}

NetworkConfig zoned() {
  NetworkConfig config = filter();
  config.lstm.zoneout = 0.1;
  return config;
}

class Player {
 public:
  Player(const NetworkConfig& config, Index batch, Random& random)
      : stream_(random_network(config, random), batch),
        other_(stream_),
        x_(random.values<float>(batch * stream_.input_size())),
        y_(at(batch * stream_.output_size())) {}

  void play(int steps) noexcept {
    for (int step = 0; step < steps; ++step) stream_.step(x_.data(), y_.data());
    stream_.process(x_.data(), y_.data(), 1);
    const Index B = stream_.batch(), H = stream_.hidden_size(0);
    stream_.get_state(0, {state_, state_, B, H});
    stream_.set_state(0, {state_, state_, B, H});
    other_.swap(stream_);
    other_.swap(stream_);
    stream_.reset();
  }

 private:
  static Network<float> random_network(const NetworkConfig& config, Random& random) {
    Network<float> network(config, uninitialised);
    randomise(network.parameters(), random);
    return network;
  }

  Stream<float> stream_, other_;
  std::vector<float> x_, y_;
  float state_[64] = {};
};

[[maybe_unused]] std::vector<Player> players() {
  Random random(1);
  std::vector<Player> all;
  all.reserve(6);
  all.emplace_back(filter(), 1, random);
  all.emplace_back(filter(), 2, random);
  all.emplace_back(classifier(), 1, random);
  all.emplace_back(chainer(), 1, random);
  all.emplace_back(zoned(), 1, random);
  all.emplace_back(zoned(), 2, random);
  return all;
}

[[maybe_unused]] void play_all(std::vector<Player>& all) noexcept {
  for (Player& player : all) player.play(kSteps / static_cast<int>(all.size()));
}

void neither_allocates_nor_locks() {
#if defined(PEEPHOLE_WATCHED)
  std::vector<Player> all = players();
  watching = true;
  std::free(std::malloc(1));
  watching = false;
  CHECK(seen >= 2);  // it does watch
  seen = 0;
  watching = true;
  play_all(all);
  watching = false;
  CHECK(seen == 0);
#else
  std::printf("skipped: allocation is watched with glibc, without sanitizers\n");
#endif
}

/// In a process that may only read, write and exit.
void calls_no_system() {
#if defined(__linux__) && !defined(PEEPHOLE_SANITIZED)
  std::vector<Player> all = players();
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) syscall(SYS_exit, 2);
    play_all(all);
    syscall(SYS_exit, 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
    std::printf("skipped: seccomp is not allowed here\n");
    return;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
  std::printf("skipped: needs Linux, without sanitizers\n");
#endif
}

}  // namespace

int main() {
  for (const std::string& name : isas()) {
    if (name == "reference") continue;  // Eigen allocates
    set_isa(name);
    neither_allocates_nor_locks();
    calls_no_system();
  }
  CHECK(isas().size() > 1);
  return check::report();
}
