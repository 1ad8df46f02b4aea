// Reads a series from standard input, a line a step, and writes after each line the model's
// forecast of the next one:
//
//   forecast MODEL.safetensors < series.csv
//
// A line is I numbers separated by commas; the forecast, O numbers. train.py beside this file makes
// a model of a series.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "peephole/peephole.hpp"

namespace {

/// Reads exactly x.size() numbers.
void parse(const std::string& line, std::size_t number, std::vector<float>& x) {
  const char* at = line.c_str();
  for (std::size_t i = 0; i < x.size(); ++i) {
    char* end = nullptr;
    x[i] = std::strtof(at, &end);
    const char expected = i + 1 < x.size() ? ',' : '\0';
    while (*end == ' ' || *end == '\r') ++end;
    if (end == at || *end != expected) {
      throw std::invalid_argument("line " + std::to_string(number) + ": expected " +
                                  std::to_string(x.size()) + " numbers, got \"" + line + "\"");
    }
    at = end + 1;
  }
}

void run(const char* path) {
  const auto network = peephole::load<peephole::Network<float>>(path);
  peephole::Stream<float> stream(network);
  std::vector<float> x(static_cast<std::size_t>(stream.input_size()));
  std::vector<float> y(static_cast<std::size_t>(stream.output_size()));
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    parse(line, number, x);
    stream.step(x.data(), y.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      std::printf("%s%.9g", i == 0 ? "" : ",", static_cast<double>(y[i]));
    }
    std::printf("\n");
    std::fflush(stdout);  // the reader waits for this line
  }
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 2) throw std::invalid_argument("usage: forecast MODEL.safetensors < series.csv");
  run(arguments[1]);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
