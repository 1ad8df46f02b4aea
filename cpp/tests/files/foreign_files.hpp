#pragma once

#include <string>
#include <vector>

#include "files/file_bytes.hpp"

/// Good files of NeuralAmpModeler and RTNeural, and ones to refuse, each for one reason.
namespace peephole::test {

/// What a plugin reads, and a model does not have.
inline const std::string kNamExtras =
    R"("sample_rate": 48000, "metadata": {"loudness": -18.5, "input_level_dbu": 12, )"
    R"("output_level_dbu": null, "name": "gear"},)";

/// Two inputs, two layers of one unit, one output.
inline const std::string kNam =
    R"({"version": "0.5.4", "architecture": "LSTM", )" + kNamExtras +
    R"( "config": {"input_size": 2, "hidden_size": 1, "num_layers": 2}, "weights": [0.1, 0.2, 0.3,)"
    "0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8,"
    "1.9, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0, 3.1, 3.2, 3.3, 3.4]}";

inline const std::string kDense =
    R"(, {"type": "dense", "activation": "tanh", "shape": [null, null, 2], "weights": )"
    R"([[[17, 18]], [19, 20]]})";

inline const std::string kRTNeuralLSTM =
    R"({"type": "lstm", "activation": "tanh", "shape": [null, null, 1], "weights": )"
    R"([[[1, 2, 3, 4], [5, 6, 7, 8]], [[9, 10, 11, 12]], [13, 14, 15, 16]]})";

/// Two inputs, one unit, two outputs.
inline const std::string kRTNeural =
    R"({"in_shape": [null, null, 2], "in_skip": 0, "out_gain": 0.0, "layers": [)" + kRTNeuralLSTM +
    kDense + "]}";

/// Before the LSTM, as many units as inputs.
inline const std::string kFirstDense =
    R"({"type": "dense", "activation": "relu", "shape": [null, null, 2], )"
    R"("weights": [[[21, 22], [23, 24]], [25, 26]]})";

struct HostileText {
  std::string name, text, said;
};

/// Those of either format, which are no JSON.
inline std::vector<HostileText> hostile_json(const std::string& good) {
  const std::string said = "expected JSON";
  return {
      {"empty", "", said},
      {"a pickle",
       "\x80\x04"
       "cos\nsystem\n(S'touch hit'\ntR.",
       said},
      {"zeros", std::string(100, '\0'), said},
      {"a zero at the end", good + '\0', said},
      {"UTF-16", std::string("\xFF\xFE{\0}\0", 6), said},
      {"more behind it", good + "{}", said},
      {"a comment", "/* */" + good, said},
      {"deep lists", repeat("[", 1'000'000), said},
      {"deep objects", repeat("{\"\":", 1'000'000), said},
      {"a list", "[" + good + "]", "file: expected an object, got a list of 1"},
      {"a number", "7", "file: expected an object, got 7"},
      {"a string of 100,000 letters", '"' + repeat("x", 100'000) + '"', "file: expected an object"},
      {"nothing in it", "{}", "file: there is no"},
  };
}

inline std::vector<HostileText> hostile_nam() {
  std::vector<HostileText> files = hostile_json(kNam);
  const auto add = [&](const char* name, const char* old, const std::string& changed,
                       const char* said) {
    files.push_back({name, edit(kNam, old, changed), said});
  };
  add("WaveNet", "\"LSTM\"", "\"WaveNet\"", "architecture: expected \"LSTM\", got \"WaveNet\"");
  add("long", "\"LSTM\"", '"' + repeat("L", 100'000) + '"', "architecture: expected \"LSTM\"");
  add("architecture a number", "\"LSTM\"", "1", "file: architecture: expected a string, got 1");
  add("a second architecture", "\"config\"", "\"architecture\": null, \"config\"", "got null");
  add("config a list", "\"config\": {\"input_size\": 2, \"hidden_size\": 1, \"num_layers\": 2}",
      "\"config\": []", "file: config: expected an object, got a list of 0");
  add("no size", "\"hidden_size\"", "\"hiden_size\"", "config: hidden_size: expected an integer");
  add("no layers", "\"num_layers\": 2", "\"num_layers\": 0", "config: num_layers: ");
  add("negative size", "_size\": 1", "_size\": -1", "hidden_size: expected an integer in 1..");
  add("size a real number", "_size\": 1", "_size\": 1.0", "hidden_size: expected an integer");
  add("size a bool", "_size\": 1", "_size\": true", "got true");
  add("size a string", "_size\": 1", "_size\": \"1\"", "got \"1\"");
  add("size beyond 64 bits", "_size\": 1", "_size\": 100000000000000000001", "got 1e+20");
  add("size beyond any number", "_size\": 1", "_size\": 1e999", "expected JSON with finite");
  add("large size", "_size\": 1", "_size\": 268435455", "e+17 values for");
  add("many layers", "layers\": 2", "layers\": 268435455", "expected 3758096376 values for");
  add("a layer more", "layers\": 2", "layers\": 3", "weights: expected 48 values for this");
  add("two inputs", "\"num_", "\"in_channels\": 1, \"num_", "in_channels: expected input_size, 2");
  add("no outputs", "\"num_", "\"out_channels\": 0, \"num_", "out_channels: expected an integer");
  add("a value more", "[0.1,", "[0.1, 0.1,", "expected 34 values for this config, got 35");
  add("no weights", "\"weights\"", "\"weigths\"", "file: there is no \"weights\"");
  add("second weights", "3.4]", "3.4], \"weights\": []", "values for this config, got 0");
  add("text", "0.6", "\"0.6\"", "weights: expected numbers, got \"0.6\"");
  add("null", "0.6", "null", "weights: expected numbers, got null");
  add("a bool", "0.6", "true", "weights: expected numbers, got true");
  add("a list inside", "0.6", "[0.6]", "weights: expected numbers, got a list of 1");
  add("an object inside", "0.6", "{\"0\": 0.6}", "weights: expected numbers, got an object");
  add("NaN", "0.6", "NaN", "expected JSON with finite numbers");
  add("Infinity", "0.6", "-Infinity", "expected JSON with finite numbers");
  add("beyond float", "0.6", "1e39", "weights: expected finite values of float32, got 1e+39");
  add("beyond double", "0.6", "1e999", "expected JSON with finite numbers");
  add("an integer beyond double", "0.6", repeat("9", 400), "expected JSON with finite numbers");
  return files;
}

inline std::vector<HostileText> hostile_rtneural() {
  std::vector<HostileText> files = hostile_json(kRTNeural);
  const auto add = [&](const char* name, const std::string& old, const std::string& changed,
                       const char* said) {
    files.push_back({name, edit(kRTNeural, old, changed), said});
  };
  const std::string units = "\"tanh\", \"shape\": [null, null, 1]";
  add("no shape", "in_shape", "shape_in", "file: there is no \"in_shape\"");
  add("empty shape", "\"in_shape\": [null, null, 2]", "\"in_shape\": []",
      "in_shape: expected an integer in 1..268435455, got none");
  add("shape without features", "\"in_shape\": [null, null, 2]", "\"in_shape\": [2, null]",
      "in_shape: expected an integer in 1..268435455, got null");
  add("skip", "\"in_skip\": 0", "\"in_skip\": 1", "in_skip: not supported, got 1");
  add("skip true", "\"in_skip\": 0", "\"in_skip\": true", "in_skip: not supported, got true");
  add("gain", "\"out_gain\": 0.0", "\"out_gain\": -3.5", "out_gain: not supported, got -3.5");
  add("layers an object", "\"layers\": [", "\"layers\": {}, \"l\": [", "layers: expected a list");
  add("no layers", "\"layers\": [", "\"layers\": [], \"l\": [", "layers: expected at least one");
  add("a layer that is a number", "\"layers\": [", "\"layers\": [3, ",
      "layers[0]: expected an object, got 3");
  add("no type", "\"type\": \"lstm\"", "\"kind\": \"lstm\"", "layers[0]: there is no \"type\"");
  add("GRU", "\"lstm\"", "\"gru\"", "layers[0]: expected at most one dense layer, LSTM layers");
  add("dense for LSTM", "\"lstm\"", "\"dense\"", "layers[0]: weights: expected 2 arrays, got 3");
  add("dense alone", kRTNeuralLSTM, kFirstDense,
      "layers[1]: expected at most one dense layer, LSTM");
  add("two dense layers first", kRTNeuralLSTM, kFirstDense + ", " + kFirstDense, "layers[1]: ");
  add("no dense layer after", kRTNeuralLSTM + kDense, kFirstDense + ", " + kRTNeuralLSTM,
      "layers: expected a dense layer after the LSTM where one is before it, got none");
  add("softmax first", kRTNeuralLSTM, edit(kFirstDense, "relu", "softmax") + ", " + kRTNeuralLSTM,
      "layers[0]: activation: \"softmax\" is not supported");
  add("LSTM last", "\"dense\"", "\"lstm\"", "layers[1]: weights: expected 3 arrays, got 2");
  add("two dense layers", kDense, kDense + kDense, "layers[2]: expected at most one dense");
  add("LSTM after dense", kDense, kDense + ", {\"type\": \"lstm\"}", "got \"lstm\" at this");
  add("two activations", kDense, kDense + ", {\"type\": \"activation\", \"activation\": \"tanh\"}",
      "got \"activation\" at this place");
  add("relu", "\"activation\": \"tanh\", \"shape\": [null, null, 2]",
      "\"activation\": \"relu\", \"shape\": [2]", "activation: \"relu\" is not supported");
  add("activation a list", "\"activation\": \"tanh\", \"shape\": [null, null, 2]",
      "\"activation\": [], \"shape\": [2]", "layers[1]: activation: expected a string");
  add("LSTM with relu", units, "\"relu\", \"shape\": [1]", "an LSTM has tanh in RTNeural");
  add("no units", units, "\"tanh\", \"shape\": [0]", "layers[0]: shape: expected an integer in");
  add("more units", units, "\"tanh\", \"shape\": [2]",
      "layers[0]: weights[0]: expected a list of 8 numbers, got a list of 4");
  add("most units", units, "\"tanh\", \"shape\": [268435455]", "a list of 1073741820 numbers");
  add("more inputs", "\"in_shape\": [null, null, 2]", "\"in_shape\": [268435455]",
      "layers[0]: weights[0]: expected 268435455 lists of 4, got a list of 2");
  add("no array", "[13, 14, 15, 16]", "7", "weights[2]: expected a list of 4 numbers, got 7");
  add("an array less", ", [13, 14, 15, 16]", "", "layers[0]: weights: expected 3 arrays, got 2");
  add("no arrays", "[[[17, 18]], [19, 20]]", "[]", "weights: expected 2 arrays, got 0");
  add("ragged", "[5, 6, 7, 8]", "[5, 6, 7]", "weights[0]: expected a list of 4 numbers");
  add("a matrix that is a list", "[[9, 10, 11, 12]]", "[9, 10, 11, 12]",
      "layers[0]: weights[1]: expected a list of 4 numbers, got 9");
  add("a matrix that is a number", "[[9, 10, 11, 12]]", "9", "weights[1]: expected 1 lists of 4");
  add("text", "19", "\"19\"", "layers[1]: weights[1]: expected numbers, got \"19\"");
  add("a bool", "19", "true", "layers[1]: weights[1]: expected numbers, got true");
  add("beyond float", "19", "1e39", "weights[1]: expected finite values of float32, got 1e+39");
  add("NaN", "19", "NaN", "expected JSON with finite numbers");
  return files;
}

}  // namespace peephole::test
