#pragma once

#include <cstring>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"

/// oneDNN's LSTM with peepholes on i, f and o, of which o reads c_t, for the benchmarks.
///
/// Dimensions: T steps, B sequences, I inputs, H units. Gates are i, f, g, o in its arrays as in
/// ours; a gate-major array of weights (4H, I) is what it calls ldgoi. Every conversion into the
/// layouts that it asks for happens ahead of the timed calls, those of the weights for training
/// too, where a user would pay for them after every update.
namespace bench {

class OneDnnLSTM {
 public:
  using Dim = dnnl::memory::dim;
  struct Sizes {
    Dim T, B, I, H;
  };

  /// weight_ih (4H, I), weight_hh (4H, H), peepholes (3, H) of i, f, o, bias (4H,): read.
  OneDnnLSTM(const Sizes& sizes, const float* weight_ih, const float* weight_hh,
             const float* peepholes, const float* bias)
      : sizes_(sizes) {
    const auto [T, B, I, H] = sizes;
    x_ = make({T, B, I}, Tag::tnc);
    dy_ = make({T, B, H}, Tag::tnc);
    for (auto* state : {&h_, &c_, &final_h_, &final_c_, &dh_, &dc_, &dfinal_h_, &dfinal_c_}) {
      *state = make({1, 1, B, H}, Tag::ldnc);
    }
    y_ = make({T, B, H}, Tag::tnc);
    dx_ = make({T, B, I}, Tag::tnc);
    weight_ih_ = copied({1, 1, I, 4, H}, Tag::ldgoi, weight_ih);
    weight_hh_ = copied({1, 1, H, 4, H}, Tag::ldgoi, weight_hh);
    peepholes_ = copied({1, 1, 3, H}, Tag::ldgo, peepholes);
    bias_ = copied({1, 1, 4, H}, Tag::ldgo, bias);
    dpeepholes_ = make({1, 1, 3, H}, Tag::ldgo);
    dbias_ = make({1, 1, 4, H}, Tag::ldgo);
    prepare_inference();
    prepare_training();
  }

  /// (T, B, I) and (T, B, H), to be written before the calls.
  float* x() { return data(x_); }
  float* dy() { return data(dy_); }
  /// (B, H): the initial state.
  float* h() { return data(h_); }
  float* c() { return data(c_); }

  void infer() { run(inference_, inference_arguments_); }

  /// Inference that goes on from where the last step() ended, or after restart() from the initial
  /// state, which it overwrites: two states take turns, so that nothing is copied.
  void step() {
    run(inference_, swapped_ ? swapped_arguments_ : inference_arguments_);
    swapped_ = !swapped_;
  }
  void restart() { swapped_ = false; }
  /// (B, H): h where the last step() ended.
  float* step_h() { return data(swapped_ ? final_h_ : h_); }

  /// Forward and backward, to the gradients of x, of the initial state and of all parameters.
  void train() {
    run(forward_, forward_arguments_);
    // It adds to the gradients of parameters.
    for (auto* gradient : {&dweight_ih_, &dweight_hh_, &dpeepholes_, &dbias_}) clear(*gradient);
    run(backward_, backward_arguments_);
  }

  float* y() { return data(y_); }
  float* dx() { return data(dx_); }
  float* dpeepholes() { return data(dpeepholes_); }
  float* dbias() { return data(dbias_); }
  /// (4H, I) and (4H, H).
  std::vector<float> dweight_ih() { return gate_major(dweight_ih_, sizes_.I); }
  std::vector<float> dweight_hh() { return gate_major(dweight_hh_, sizes_.H); }

 private:
  using Memory = dnnl::memory;
  using Tag = dnnl::memory::format_tag;
  using Arguments = std::unordered_map<int, Memory>;

  static Memory::desc described(const Memory::dims& dims, Tag tag) {
    return {dims, Memory::data_type::f32, tag};
  }
  static float* data(const Memory& memory) { return static_cast<float*>(memory.get_data_handle()); }
  static void clear(const Memory& memory) {
    std::memset(memory.get_data_handle(), 0, memory.get_desc().get_size());
  }
  Memory make(const Memory::desc& desc) const {
    Memory memory(desc, engine_);
    clear(memory);
    return memory;
  }
  Memory make(const Memory::dims& dims, Tag tag) const { return make(described(dims, tag)); }
  Memory copied(const Memory::dims& dims, Tag tag, const float* values) const {
    Memory memory = make(dims, tag);
    std::memcpy(memory.get_data_handle(), values, memory.get_desc().get_size());
    return memory;
  }
  void run(const dnnl::primitive& primitive, const Arguments& arguments) {
    primitive.execute(stream_, arguments);
    stream_.wait();
  }
  /// `memory` in the layout `desc`.
  Memory laid_out(Memory memory, const Memory::desc& desc) {
    if (memory.get_desc() == desc) return memory;
    Memory result = make(desc);
    dnnl::reorder(memory, result).execute(stream_, memory, result);
    stream_.wait();
    return result;
  }
  std::vector<float> gate_major(const Memory& weights, Dim inputs) {
    const Memory result = laid_out(weights, described({1, 1, inputs, 4, sizes_.H}, Tag::ldgoi));
    return {data(result), data(result) + 4 * sizes_.H * inputs};
  }

  dnnl::lstm_forward::primitive_desc forward_description(dnnl::prop_kind kind) const {
    const auto [T, B, I, H] = sizes_;
    const auto state = described({1, 1, B, H}, Tag::ldnc);
    return {
        {kind, dnnl::rnn_direction::unidirectional_left2right, described({T, B, I}, Tag::tnc),
         state, state, described({1, 1, I, 4, H}, Tag::any), described({1, 1, H, 4, H}, Tag::any),
         peepholes_.get_desc(), bias_.get_desc(), described({T, B, H}, Tag::tnc), state, state},
        engine_};
  }
  /// Of a forward pass; its weights in the layouts of `description`.
  Arguments arguments(const dnnl::lstm_forward::primitive_desc& description) {
    return {{DNNL_ARG_SRC_LAYER, x_},
            {DNNL_ARG_SRC_ITER, h_},
            {DNNL_ARG_SRC_ITER_C, c_},
            {DNNL_ARG_WEIGHTS_LAYER, laid_out(weight_ih_, description.weights_layer_desc())},
            {DNNL_ARG_WEIGHTS_ITER, laid_out(weight_hh_, description.weights_iter_desc())},
            {DNNL_ARG_WEIGHTS_PEEPHOLE, peepholes_},
            {DNNL_ARG_BIAS, bias_},
            {DNNL_ARG_DST_LAYER, y_},
            {DNNL_ARG_DST_ITER, final_h_},
            {DNNL_ARG_DST_ITER_C, final_c_}};
  }

  void prepare_inference() {
    const auto description = forward_description(dnnl::prop_kind::forward_inference);
    inference_ = dnnl::lstm_forward(description);
    inference_arguments_ = arguments(description);
    swapped_arguments_ = inference_arguments_;
    swapped_arguments_[DNNL_ARG_SRC_ITER] = final_h_;
    swapped_arguments_[DNNL_ARG_SRC_ITER_C] = final_c_;
    swapped_arguments_[DNNL_ARG_DST_ITER] = h_;
    swapped_arguments_[DNNL_ARG_DST_ITER_C] = c_;
  }

  void prepare_training() {
    const auto [T, B, I, H] = sizes_;
    const auto forward = forward_description(dnnl::prop_kind::forward_training);
    forward_ = dnnl::lstm_forward(forward);
    forward_arguments_ = arguments(forward);
    const Memory workspace = make(forward.workspace_desc());
    forward_arguments_.insert({DNNL_ARG_WORKSPACE, workspace});

    const auto state = described({1, 1, B, H}, Tag::ldnc);
    const auto x = described({T, B, I}, Tag::tnc);
    const auto y = described({T, B, H}, Tag::tnc);
    const auto weight_ih = described({1, 1, I, 4, H}, Tag::any);
    const auto weight_hh = described({1, 1, H, 4, H}, Tag::any);
    const auto peepholes = peepholes_.get_desc();
    const auto bias = bias_.get_desc();
    const dnnl::lstm_backward::primitive_desc backward(
        {dnnl::prop_kind::backward,
         dnnl::rnn_direction::unidirectional_left2right,
         x,
         state,
         state,
         weight_ih,
         weight_hh,
         peepholes,
         bias,
         y,
         state,
         state,
         x,
         state,
         state,
         weight_ih,
         weight_hh,
         peepholes,
         bias,
         y,
         state,
         state},
        engine_, forward);
    backward_ = dnnl::lstm_backward(backward);
    dweight_ih_ = make(backward.diff_weights_layer_desc());
    dweight_hh_ = make(backward.diff_weights_iter_desc());
    backward_arguments_ = forward_arguments_;
    backward_arguments_[DNNL_ARG_WEIGHTS_LAYER] =
        laid_out(weight_ih_, backward.weights_layer_desc());
    backward_arguments_[DNNL_ARG_WEIGHTS_ITER] = laid_out(weight_hh_, backward.weights_iter_desc());
    backward_arguments_.insert({{DNNL_ARG_DIFF_SRC_LAYER, dx_},
                                {DNNL_ARG_DIFF_SRC_ITER, dh_},
                                {DNNL_ARG_DIFF_SRC_ITER_C, dc_},
                                {DNNL_ARG_DIFF_WEIGHTS_LAYER, dweight_ih_},
                                {DNNL_ARG_DIFF_WEIGHTS_ITER, dweight_hh_},
                                {DNNL_ARG_DIFF_WEIGHTS_PEEPHOLE, dpeepholes_},
                                {DNNL_ARG_DIFF_BIAS, dbias_},
                                {DNNL_ARG_DIFF_DST_LAYER, dy_},
                                {DNNL_ARG_DIFF_DST_ITER, dfinal_h_},
                                {DNNL_ARG_DIFF_DST_ITER_C, dfinal_c_}});
  }

  Sizes sizes_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Memory x_, y_, dy_, dx_;
  Memory h_, c_, final_h_, final_c_, dh_, dc_, dfinal_h_, dfinal_c_;
  Memory weight_ih_, weight_hh_, peepholes_, bias_;
  Memory dweight_ih_, dweight_hh_, dpeepholes_, dbias_;
  dnnl::lstm_forward inference_, forward_;
  dnnl::lstm_backward backward_;
  Arguments inference_arguments_, swapped_arguments_, forward_arguments_, backward_arguments_;
  bool swapped_ = false;
};

}  // namespace bench
