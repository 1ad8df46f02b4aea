#include <cmath>
#include <filesystem>
#include <locale>
#include <memory>
#include <sstream>
#include <utility>
#include <variant>

#include "api/c_model.hpp"
#include "peephole/files.hpp"
#include "peephole/interop.hpp"

namespace peephole::c {
namespace {

template <class T>
Stream<T> stream_of(const LSTM<T>& model) {
  return Stream<T>(model);
}
template <class T>
Stream<T> stream_of(const Network<T>& model) {
  return Stream<T>(model);
}

/// The metadata "sample_rate", if it is a number above 0; otherwise 0.
double sample_rate_of(const Metadata& metadata) {
  const auto found = metadata.find("sample_rate");
  if (found == metadata.end()) return 0;
  std::istringstream text(found->second);
  text.imbue(std::locale::classic());
  double rate = 0;
  const bool whole = (text >> rate) && text.peek() == std::istringstream::traits_type::eof();
  return whole && std::isfinite(rate) && rate > 0 ? rate : 0;
}

template <class Model>
peephole_model* made_of(const Model& model, const char* format, Metadata metadata) {
  auto stream = stream_of(model);
  const double sample_rate = sample_rate_of(metadata);
  auto info = std::make_shared<const Info>(
      Info{format, options_text(model), std::move(metadata), sample_rate});
  return new peephole_model{std::move(stream), std::move(info)};
}

template <class... Models>
peephole_model* made_of(const std::variant<Models...>& loaded, const char* format,
                        Metadata metadata) {
  return std::visit([&](const auto& model) { return made_of(model, format, std::move(metadata)); },
                    loaded);
}

// `from`: a path, or a pointer and a size.

template <class... From>
peephole_model* from_file(const From&... from) {
  Metadata metadata;
  const AnyModel model = peephole::load(from..., &metadata);
  return made_of(model, "peephole", std::move(metadata));
}

template <class... From>
peephole_model* from_nam(const From&... from) {
  NamModel<float> capture = load_nam<float>(from...);
  return made_of(capture.network, "nam", std::move(capture.metadata));
}

template <class... From>
peephole_model* from_rtneural(const From&... from) {
  return made_of(load_rtneural<float>(from...), "rtneural", {});
}

}  // namespace
}  // namespace peephole::c

using namespace peephole::c;

peephole_status peephole_load(const char* path, peephole_model** model) {
  return create(model, path, "path", [&] { return from_file(std::filesystem::u8path(path)); });
}

peephole_status peephole_load_memory(const void* data, size_t size, peephole_model** model) {
  return create(model, data, "data", [&] { return from_file(data, size); });
}

peephole_status peephole_load_nam(const char* path, peephole_model** model) {
  return create(model, path, "path", [&] { return from_nam(std::filesystem::u8path(path)); });
}

peephole_status peephole_load_nam_memory(const void* data, size_t size, peephole_model** model) {
  return create(model, data, "data", [&] { return from_nam(data, size); });
}

peephole_status peephole_load_rtneural(const char* path, peephole_model** model) {
  return create(model, path, "path", [&] { return from_rtneural(std::filesystem::u8path(path)); });
}

peephole_status peephole_load_rtneural_memory(const void* data, size_t size,
                                              peephole_model** model) {
  return create(model, data, "data", [&] { return from_rtneural(data, size); });
}

peephole_status peephole_copy(const peephole_model* model, peephole_model** copy) {
  return create(copy, model, "model", [&] { return new peephole_model(*model); });
}

void peephole_free(peephole_model* model) { delete model; }
