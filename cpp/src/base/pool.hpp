#pragma once

#include <memory>
#include <vector>

#include "base/fork_gate.hpp"

namespace peephole {

/// Workspaces of a model: each call borrows one, so that calls on several threads do not meet, and
/// a repeated call finds its memory again. Workspace::bytes() is the memory that it holds; one of
/// more than kMostBytes is freed when it is given back.
template <class Workspace>
class Pool {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{128} << 20;

  class Loan {
   public:
    Loan(Pool& pool, std::unique_ptr<Workspace> workspace) noexcept
        : pool_(pool), workspace_(std::move(workspace)) {}
    ~Loan() { pool_.give_back(std::move(workspace_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

    Workspace& operator*() const noexcept { return *workspace_; }
    Workspace* operator->() const noexcept { return workspace_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Workspace> workspace_;
  };

  Loan borrow() {
    const Locked lock(mutex_);
    if (idle_.empty()) {
      idle_.reserve(++made_);  // so that giving back cannot fail
      return Loan(*this, std::make_unique<Workspace>());
    }
    std::unique_ptr<Workspace> workspace = std::move(idle_.back());
    idle_.pop_back();
    return Loan(*this, std::move(workspace));
  }

  /// Frees the idle workspaces.
  void clear() noexcept {
    const Locked lock(mutex_);
    idle_.clear();
  }

 private:
  void give_back(std::unique_ptr<Workspace> workspace) noexcept {
    if (workspace->bytes() > kMostBytes) return;
    const Locked lock(mutex_);
    idle_.push_back(std::move(workspace));
  }

  Mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  std::size_t made_ = 0;
};

}  // namespace peephole
