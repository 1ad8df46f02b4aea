#include "api/c_api_calls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "peephole/peephole.h"

/* As a C program would: c_api_test.cpp has written the files, and knows what must come out. */

static int failures = 0;

static void check(int passed, const char* what, int line) {
  if (passed) return;
  ++failures;
  printf("%s:%d: %s (%s)\n", __FILE__, line, what, peephole_error());
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define CHECK_FAILS(call, status, fragment)            \
  do {                                                 \
    CHECK((call) == (status));                         \
    CHECK(strstr(peephole_error(), fragment) != NULL); \
  } while (0)

enum { kMost = 256 };

void check_float(const char* path, const float* x, const float* y, size_t n) {
  peephole_model* model = NULL;
  peephole_model* copy = NULL;
  float got[kMost];
  size_t t, I, O;
  CHECK(peephole_load(path, &model) == PEEPHOLE_OK);
  I = peephole_input_size(model);
  O = peephole_output_size(model);
  CHECK(I == 2 && O == 3 && !peephole_is_double(model));
  for (t = 0; t < n; ++t) {
    if (t == n / 2) CHECK(peephole_copy(model, &copy) == PEEPHOLE_OK);
    CHECK(peephole_step(model, x + t * I, got + t * O) == PEEPHOLE_OK);
  }
  CHECK(memcmp(got, y, n * O * sizeof *y) == 0);

  /* The copy goes on from where it was made, and the model, reset, from the beginning. */
  memset(got, 0, sizeof got);
  CHECK(peephole_process(copy, x + n / 2 * I, got, n - n / 2) == PEEPHOLE_OK);
  CHECK(memcmp(got, y + n / 2 * O, (n - n / 2) * O * sizeof *y) == 0);
  peephole_reset(model);
  CHECK(peephole_process(model, x, got, n) == PEEPHOLE_OK);
  CHECK(memcmp(got, y, n * O * sizeof *y) == 0);

  CHECK_FAILS(peephole_step_double(model, NULL, NULL), PEEPHOLE_BAD_ARGUMENT, "x: ");
  CHECK_FAILS(peephole_step(model, x, NULL), PEEPHOLE_BAD_ARGUMENT, "y: ");
  CHECK_FAILS(peephole_step(NULL, x, got), PEEPHOLE_BAD_ARGUMENT, "model: ");
  CHECK(peephole_process(model, x, got, 0) == PEEPHOLE_OK);
  peephole_free(model);
  peephole_free(copy);
}

void check_double(const void* file, size_t size, const double* x, const double* y, size_t n) {
  peephole_model* model = NULL;
  double got[kMost];
  float narrow[2] = {0, 0};
  CHECK(peephole_load_memory(file, size, &model) == PEEPHOLE_OK);
  CHECK(peephole_is_double(model));
  CHECK(peephole_step_double(model, x, got) == PEEPHOLE_OK);
  CHECK(peephole_process_double(model, x + 2, got + 3, n - 1) == PEEPHOLE_OK);
  CHECK(memcmp(got, y, n * 3 * sizeof *y) == 0);
  CHECK_FAILS(peephole_step(model, narrow, narrow), PEEPHOLE_BAD_ARGUMENT, "got float");
  peephole_free(model);
}

void check_foreign(const char* nam, const char* rtneural, const float* x, const float* y_nam,
                   const float* y_rtneural, size_t n) {
  peephole_model* model = NULL;
  peephole_model* copy = NULL;
  float got[kMost];
  int again;
  CHECK(peephole_load_nam(nam, &model) == PEEPHOLE_OK);
  CHECK(peephole_sample_rate(model) == 48000 && !peephole_is_double(model));
  CHECK(peephole_copy(model, &copy) == PEEPHOLE_OK);
  CHECK(peephole_process(copy, x, got, n) == PEEPHOLE_OK);
  peephole_free(copy);
  for (again = 0; again < 2; ++again) {
    CHECK(peephole_process(model, x, got, n) == PEEPHOLE_OK);
    CHECK(memcmp(got, y_nam, n * sizeof *got) == 0);
    peephole_reset(model);
  }
  peephole_free(model);

  CHECK(peephole_load_rtneural(rtneural, &model) == PEEPHOLE_OK);
  CHECK(peephole_sample_rate(model) == 0);
  CHECK(peephole_process(model, x, got, n) == PEEPHOLE_OK);
  CHECK(memcmp(got, y_rtneural, n * 2 * sizeof *got) == 0);
  peephole_free(model);
  CHECK_FAILS(peephole_load_nam(rtneural, &model), PEEPHOLE_BAD_FILE, "architecture");
  CHECK_FAILS(peephole_load_rtneural(nam, &model), PEEPHOLE_BAD_FILE, "in_shape");
  CHECK_FAILS(peephole_load_nam("absent.nam", &model), PEEPHOLE_CANNOT_READ, "absent.nam");
  CHECK(model == NULL);
}

void check_about(const char* path, const void* file, size_t size, const char* version) {
  peephole_model* model = NULL;
  peephole_model* copy = NULL;
  peephole_model* from_memory = NULL;
  CHECK(strcmp(peephole_version(), version) == 0);
  CHECK(strcmp(PEEPHOLE_VERSION_STRING, version) == 0);
  CHECK(PEEPHOLE_VERSION_NUMBER ==
        PEEPHOLE_VERSION_MAJOR * 10000 + PEEPHOLE_VERSION_MINOR * 100 + PEEPHOLE_VERSION_PATCH);
  CHECK(peephole_load(path, &model) == PEEPHOLE_OK);
  CHECK(peephole_copy(model, &copy) == PEEPHOLE_OK);
  peephole_free(model);
  CHECK(peephole_layers(copy) == 2);
  CHECK(peephole_hidden_size(copy, 0) == 5 && peephole_hidden_size(copy, 1) == 4);
  CHECK(peephole_recurrent_size(copy, 0) == 3 && peephole_recurrent_size(copy, 1) == 3);
  CHECK(peephole_hidden_size(copy, 2) == 0 && peephole_recurrent_size(copy, 2) == 0);
  CHECK(peephole_state_size(copy) == 5 + 4 + 3 + 3);
  CHECK(strcmp(peephole_dtype(copy), "float32") == 0);
  CHECK(strcmp(peephole_format(copy), "peephole") == 0);
  CHECK(strstr(peephole_options(copy), "\"projection_size\":3") != NULL);
  CHECK(peephole_metadata_count(copy) == 2);
  CHECK(strcmp(peephole_metadata_name(copy, 0), "name") == 0);
  CHECK(strcmp(peephole_metadata_name(copy, 1), "sample_rate") == 0);
  CHECK(peephole_metadata_name(copy, 2) == NULL);
  CHECK(strcmp(peephole_metadata(copy, "name"), "small") == 0);
  CHECK(peephole_metadata(copy, "format") == NULL && peephole_metadata(copy, NULL) == NULL);
  CHECK(peephole_sample_rate(copy) == 44100.5);
  peephole_free(copy);

  CHECK(peephole_load_nam_memory(file, size, &from_memory) == PEEPHOLE_OK);
  CHECK(strcmp(peephole_format(from_memory), "nam") == 0);
  CHECK(strcmp(peephole_metadata(from_memory, "name"), "gear") == 0);
  CHECK(peephole_sample_rate(from_memory) == 48000);
  peephole_free(from_memory);
  CHECK_FAILS(peephole_load_rtneural_memory(file, size, &from_memory), PEEPHOLE_BAD_FILE,
              "in_shape");
}

void check_state(const char* path, const float* x, const float* y, size_t n) {
  peephole_model* model = NULL;
  peephole_model* other = NULL;
  float state[15], zeros[15] = {0}, got[kMost];
  const float not_a_number[2] = {NAN, 0};
  size_t i;
  CHECK(peephole_load(path, &model) == PEEPHOLE_OK && peephole_load(path, &other) == PEEPHOLE_OK);
  CHECK(peephole_get_state(model, state) == PEEPHOLE_OK);
  CHECK(memcmp(state, zeros, sizeof state) == 0);
  CHECK(peephole_process(model, x, got, n / 2) == PEEPHOLE_OK);
  CHECK(peephole_get_state(model, state) == PEEPHOLE_OK);
  for (i = 0; i < 15; ++i) CHECK(state[i] != 0);
  CHECK(peephole_set_state(other, state) == PEEPHOLE_OK);
  CHECK(peephole_process(other, x + n / 2 * 2, got + n / 2 * 3, n - n / 2) == PEEPHOLE_OK);
  CHECK(memcmp(got, y, n * 3 * sizeof *y) == 0);

  /* A NaN stays until the state is set or reset. */
  CHECK(peephole_step(model, not_a_number, got) == PEEPHOLE_OK);
  CHECK(peephole_step(model, x, got) == PEEPHOLE_OK && got[0] != got[0]);
  peephole_reset(model);
  CHECK(peephole_process(model, x, got, n) == PEEPHOLE_OK);
  CHECK(memcmp(got, y, n * 3 * sizeof *y) == 0);

  CHECK_FAILS(peephole_get_state(model, NULL), PEEPHOLE_BAD_ARGUMENT, "state: ");
  CHECK_FAILS(peephole_set_state(model, NULL), PEEPHOLE_BAD_ARGUMENT, "state: ");
  CHECK_FAILS(peephole_set_state(NULL, state), PEEPHOLE_BAD_ARGUMENT, "model: ");
  CHECK_FAILS(peephole_get_state_double(model, NULL), PEEPHOLE_BAD_ARGUMENT,
              "state: expected float");
  CHECK_FAILS(peephole_process(model, x, got, (size_t)-1), PEEPHOLE_BAD_ARGUMENT, "n: ");
  peephole_free(model);
  peephole_free(other);
}

void check_refusals(const char* bidirectional, const char* absent, const char* foreign) {
  peephole_model* const other = (peephole_model*)&failures;
  peephole_model* model = other;
  CHECK_FAILS(peephole_load(bidirectional, &model), PEEPHOLE_BAD_FILE, "bidirectional");
  CHECK(model == NULL);
  CHECK_FAILS(peephole_load(absent, &model), PEEPHOLE_CANNOT_READ, absent);
  CHECK_FAILS(peephole_load(foreign, &model), PEEPHOLE_BAD_FILE, "not a whole safetensors file");
  CHECK_FAILS(peephole_load(NULL, &model), PEEPHOLE_BAD_ARGUMENT, "path: ");
  CHECK_FAILS(peephole_load(foreign, NULL), PEEPHOLE_BAD_ARGUMENT, "NULL");
  CHECK_FAILS(peephole_load_memory("", 0, &model), PEEPHOLE_BAD_FILE, "0 bytes");
  CHECK_FAILS(peephole_copy(NULL, &model), PEEPHOLE_BAD_ARGUMENT, "model: ");
  CHECK(model == NULL);
  CHECK(peephole_input_size(NULL) == 0 && peephole_output_size(NULL) == 0);
  CHECK(peephole_layers(NULL) == 0 && peephole_hidden_size(NULL, 0) == 0);
  CHECK(peephole_recurrent_size(NULL, 0) == 0 && peephole_state_size(NULL) == 0);
  CHECK(peephole_dtype(NULL) == NULL && peephole_format(NULL) == NULL);
  CHECK(peephole_options(NULL) == NULL && peephole_metadata(NULL, "name") == NULL);
  CHECK(peephole_metadata_count(NULL) == 0 && peephole_metadata_name(NULL, 0) == NULL);
  CHECK(!peephole_is_double(NULL) && peephole_sample_rate(NULL) == 0);
  peephole_reset(NULL);
  peephole_free(NULL);
}

int c_api_failures(void) { return failures; }
