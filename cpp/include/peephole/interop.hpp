#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <variant>

#include "peephole/export.h"
#include "peephole/files.hpp"

/// Models in the JSON files of other programs, for audio plugins that load captures at run time.
///
/// Everything in a file is checked before the model is made. What a file may hold and a model
/// cannot is refused by name. Reading takes memory in proportion to the size of the file, whatever
/// sizes it states, and does not recurse. Where an object repeats a key, the last one counts.
/// Numbers must be finite: NaN and Infinity are not JSON.
///
/// The functions throw FileError for a content that they refuse, and
/// std::filesystem::filesystem_error for a file that cannot be read. T is float, in which the
/// plugins of these formats compute, or double.
namespace peephole {

/// An amplifier capture, and what else a plugin takes from its file.
template <class T>
struct NamModel {
  /// With InitialState::learned: the state that the capture starts from, as a rule the one that
  /// silence leads to, is in the parameters h0 and c0. Streams begin there.
  Network<T> network;

  // Entries that a file may lack. What is not a number counts as absent.
  std::optional<double> sample_rate;       // Hz, of the sound that the network was trained with
  std::optional<double> loudness;          // dB, of the output for the trainer's standard input
  std::optional<double> input_level_dbu;   // dBu of the analogue signals that a digital sine of
  std::optional<double> output_level_dbu;  // peak 1 stands for

  /// The texts, numbers and booleans of the file's metadata, and "sample_rate": what save() of
  /// peephole/files.hpp takes. Lists, objects, null and texts that it refuses are left out.
  Metadata metadata;
};

/// The capture in a NeuralAmpModeler file (`.nam`) of the architecture "LSTM", or in the `size`
/// bytes at `data` as a file would have them:
///
///     const auto amp = peephole::load_nam<float>("amp.nam");
///     peephole::Stream<float> stream(amp.network);
///
/// The format: https://github.com/sdatkinson/NeuralAmpModelerCore, NAM/lstm.cpp.
template <class T>
PEEPHOLE_API NamModel<T> load_nam(const std::filesystem::path& path);
template <class T>
PEEPHOLE_API NamModel<T> load_nam(const void* data, std::size_t size);

/// The model in an RTNeural JSON file of LSTM layers and, at the end, at most one dense layer: a
/// Network with Readout::all, or without a dense layer an LSTM. A network may have one more dense
/// layer before the LSTM, with tanh, sigmoid, relu or no activation.
///
/// The format: https://github.com/jatinchowdhury18/RTNeural, RTNeural/model_loader.h.
template <class T>
PEEPHOLE_API std::variant<LSTM<T>, Network<T>> load_rtneural(const std::filesystem::path& path);
template <class T>
PEEPHOLE_API std::variant<LSTM<T>, Network<T>> load_rtneural(const void* data, std::size_t size);

}  // namespace peephole
