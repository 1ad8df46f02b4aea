// oneDNN's LSTM for `python -m bench`: a process that measures when told to.
//
//   onednn_serve T B I H FILE
//
// FILE holds float32 arrays one after another: x (T, B, I), dy (T, B, H), weight_ih (4H, I),
// weight_hh (4H, H), peepholes (3, H) of i, f and o, bias (4H,). Commands, one a line:
//
//   infer SECONDS    prints the nanoseconds of the fastest inference among those that fit; one at
//                    least
//   train SECONDS    likewise, forward and backward
//   answers FILE     runs both; writes y of inference, y of training, dx, and the gradients of
//                    weight_ih, weight_hh, peepholes and bias
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "lstm.hpp"

namespace {

using bench::OneDnnLSTM;
using Dim = OneDnnLSTM::Dim;

std::vector<float> read(std::istream& file, Dim size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(size * 4));
  if (!file) throw std::runtime_error("the file ends too early");
  return values;
}

void write(std::ostream& file, const float* values, Dim size) {
  file.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(size * 4));
}

OneDnnLSTM open(const OneDnnLSTM::Sizes& sizes, const std::string& path) {
  const auto [T, B, I, H] = sizes;
  std::ifstream file(path, std::ios::binary);
  const auto x = read(file, T * B * I), dy = read(file, T * B * H);
  const auto weight_ih = read(file, 4 * H * I), weight_hh = read(file, 4 * H * H);
  const auto peepholes = read(file, 3 * H), bias = read(file, 4 * H);
  OneDnnLSTM lstm(sizes, weight_ih.data(), weight_hh.data(), peepholes.data(), bias.data());
  std::copy(x.begin(), x.end(), lstm.x());
  std::copy(dy.begin(), dy.end(), lstm.dy());
  return lstm;
}

template <class Call>
long long fastest(double seconds, Call call) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  long long fastest = 0;
  for (bool first = true;; first = false) {
    const auto start = Clock::now();
    call();
    const auto end = Clock::now();
    const long long taken =
        std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count();
    if (first || taken < fastest) fastest = taken;
    if (end >= deadline) return fastest;
  }
}

void answer(OneDnnLSTM& lstm, const OneDnnLSTM::Sizes& sizes, const std::string& path) {
  const auto [T, B, I, H] = sizes;
  std::ofstream file(path, std::ios::binary);
  lstm.infer();
  write(file, lstm.y(), T * B * H);
  lstm.train();
  write(file, lstm.y(), T * B * H);
  write(file, lstm.dx(), T * B * I);
  write(file, lstm.dweight_ih().data(), 4 * H * I);
  write(file, lstm.dweight_hh().data(), 4 * H * H);
  write(file, lstm.dpeepholes(), 3 * H);
  write(file, lstm.dbias(), 4 * H);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count == 2 && std::string(arguments[1]) == "--version") {
    const auto* version = dnnl_version();
    std::printf("%d.%d.%d\n", version->major, version->minor, version->patch);
    return 0;
  }
  if (count != 6) {
    std::fputs("usage: onednn_serve T B I H FILE\n", stderr);
    return 2;
  }
  const OneDnnLSTM::Sizes sizes{std::atoll(arguments[1]), std::atoll(arguments[2]),
                                std::atoll(arguments[3]), std::atoll(arguments[4])};
  OneDnnLSTM lstm = open(sizes, arguments[5]);
  std::string command, argument;
  while (std::cin >> command >> argument) {
    if (command == "infer") {
      std::cout << fastest(std::stod(argument), [&] { lstm.infer(); }) << std::endl;
    } else if (command == "train") {
      std::cout << fastest(std::stod(argument), [&] { lstm.train(); }) << std::endl;
    } else if (command == "answers") {
      answer(lstm, sizes, argument);
      std::cout << "written" << std::endl;
    } else {
      throw std::runtime_error("unknown command: " + command);
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "onednn_serve: %s\n", error.what());
  return 1;
}
