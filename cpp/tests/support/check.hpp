#pragma once

#include <cmath>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

/// The least a test program needs. A failed check prints where and what, and the program goes on;
/// report() prints the count and returns main's result.
///
///     int main() {
///       CHECK(1 + 1 == 2);
///       CHECK_CLOSE(std::sqrt(2.0), 1.41421356, 1e-8);
///       CHECK_THROWS(validate(config), "hidden_size");
///       return check::report();
///     }
namespace check {

struct Counts {
  long checks = 0;
  long failures = 0;
};

inline Counts& counts() {
  static Counts counts;
  return counts;
}

inline void note(bool passed, const char* file, int line, const std::string& what) {
  ++counts().checks;
  if (passed) return;
  ++counts().failures;
  std::printf("%s:%d: %s\n", file, line, what.c_str());
}

/// |got - expected| <= tolerance * max(1, |expected|), with NaN never close.
inline bool close(double got, double expected, double tolerance) {
  return std::abs(got - expected) <= tolerance * std::fmax(1.0, std::abs(expected));
}

/// What `f` throws says `fragment`; an empty result means that it did.
template <class Exception, class F>
std::string complaint(F&& f, const std::string& fragment) {
  try {
    f();
  } catch (const Exception& error) {
    const std::string message = error.what();
    if (message.find(fragment) != std::string::npos) return "";
    return "the message lacks \"" + fragment + "\": " + message;
  } catch (const std::exception& error) {
    return std::string("another exception: ") + error.what();
  }
  return "nothing thrown";
}

inline int report() {
  std::printf("%ld checks, %ld failed\n", counts().checks, counts().failures);
  return counts().failures == 0 && counts().checks > 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(condition) check::note(static_cast<bool>(condition), __FILE__, __LINE__, #condition)

#define CHECK_CLOSE(got, expected, tolerance)                                           \
  do {                                                                                  \
    const double check_got = static_cast<double>(got);                                  \
    const double check_expected = static_cast<double>(expected);                        \
    check::note(check::close(check_got, check_expected, tolerance), __FILE__, __LINE__, \
                #got ": " + std::to_string(check_got) + ", not " +                      \
                    std::to_string(check_expected) + " (differs by " +                  \
                    std::to_string(check_got - check_expected) + ")");                  \
  } while (false)

/// std::invalid_argument whose message contains `fragment`.
#define CHECK_THROWS(expression, fragment)                                                        \
  do {                                                                                            \
    const std::string check_complaint =                                                           \
        check::complaint<std::invalid_argument>([&] { (void)(expression); }, fragment);           \
    check::note(check_complaint.empty(), __FILE__, __LINE__, #expression ": " + check_complaint); \
  } while (false)
