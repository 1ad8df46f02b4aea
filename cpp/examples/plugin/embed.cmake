# Writes a file's bytes as a C++ source: cmake -DFROM=MODEL -DTO=SOURCE.cpp -P embed.cmake
file(READ "${FROM}" bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${TO}" "#include \"embedded_model.hpp\"\n
alignas(64) const unsigned char kEmbeddedModel[] = {${bytes}};
const std::size_t kEmbeddedModelSize = ${size};\n")
